"""Sources that are asked rather than listened to: cloud audit interfaces, directories and buckets.

A connector (`contract.py`) knows how to ask one source; the runner (`runner.py`) stores what came and only then moves the cursor.
"""
