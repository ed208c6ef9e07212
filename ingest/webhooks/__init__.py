"""Whether a webhook comes from whom it says: one scheme a file, pure but for the one certificate that Amazon's scheme needs.

Every scheme is a `Check`: it looks at a request before anything of it is stored, and raises Refused.
"""

from ingest.webhooks.check import Cause, Check, Hook, HookRequest, HookTally, Refused, Verdict

__all__ = ["Cause", "Check", "Hook", "HookRequest", "HookTally", "Refused", "Verdict"]
