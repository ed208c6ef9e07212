"""How an alert leaves the building."""

from datetime import timedelta
from typing import Protocol

from alerts.notification import Notification
from domain.errors import DeliveryError


class ReceiverBusy(DeliveryError):
    """The receiver asked for time: not before `retry_after` (HTTP Retry-After, RFC 9110 section 10.2.3)."""

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Channel(Protocol):
    """A way to reach people.

    `send` returns once the receiver has taken the notification and raises DeliveryError otherwise; `permanent` there means: do
    not try again. It may be called twice for one notification (we can stop after sending and before recording), so it passes
    `notification.delivery_id` as the receiver's deduplication key where there is one. It gives up after some twenty seconds. It
    gets what may leave the building and nothing else, and its errors name neither receiver nor content: they are kept and shown.
    `send` is called from one thread at a time.
    """

    @property
    def name(self) -> str:
        """What routes call it."""
        ...

    def send(self, notification: Notification) -> None:
        """Deliver, or raise DeliveryError."""
        ...
