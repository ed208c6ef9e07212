"""Keeps notifications in memory: for the demo's summary, and wherever a real receiver would be beside the point."""

from alerts.notification import Notification


class MemoryChannel:
    """Takes everything, each delivery once."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self._taken: dict[str, Notification] = {}

    @property
    def taken(self) -> tuple[Notification, ...]:
        """What arrived, in order of first arrival."""
        return tuple(self._taken.values())

    def send(self, notification: Notification) -> None:
        """Keep it. The same delivery again is known by its id and not kept twice."""
        self._taken.setdefault(notification.delivery_id, notification)
