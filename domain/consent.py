"""What the status of a consent says (reference data, `consents.jsonl`)."""

AGREED = ("active", "granted", "opted_in", "yes")
"""The words of a status that mean yes, in lower case; any other means no."""
