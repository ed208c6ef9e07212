"""The exception tree, whole on one screen.

PhitrailError
├── InvalidInput        a record or request that cannot be understood; quarantined or answered 4xx
├── NotFound            the thing asked for does not exist
├── Conflict            the state does not allow it (a hold, a settled alert, a held data directory)
│   └── StoreHeld       another process has the embedded data directory
├── Backpressure        try again later; carries seconds; becomes 503 + Retry-After
├── IntegrityError      the ledger is not what was written; intake stops and a person decides
├── ConfigError         settings that cannot work; names every problem at once
└── DeliveryError       a notification was not taken; `permanent` decides whether to try again

Messages are sentences for people: what is wrong, then what to do. They never carry PHI.
"""


class PhitrailError(Exception):
    """Base of every error raised on purpose."""


class InvalidInput(PhitrailError):
    """A record or request cannot be understood. The message is the quarantine reason."""


class NotFound(PhitrailError):
    """What was asked for does not exist."""


class Conflict(PhitrailError):
    """The present state does not allow what was asked."""


class StoreHeld(Conflict):
    """Another process holds the embedded data directory (one process each, by design)."""


class Backpressure(PhitrailError):
    """Intake is full or the store is away; nothing was accepted. Try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IntegrityError(PhitrailError):
    """The stored ledger contradicts what was signed or anchored. Nothing is written until a person decides."""


class ConfigError(PhitrailError):
    """Settings that cannot work together, or are unknown."""


class DeliveryError(PhitrailError):
    """A notification was not taken by the receiver."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
