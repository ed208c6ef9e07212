"""The common methods, measured beside phitrail in the same run on the same events.

Generic outlier detection on features of a person's day, an explanation-only filter, rules as hospitals run them, both together,
and a boosted model trained with the answers of another hospital. None of them uses code of phitrail's analytics.
"""
