"""A bounded queue between the thread that receives and the thread that stores: where back-pressure comes from."""

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """Holds what was received and not stored yet, up to a number of items and bytes. Thread-safe; one taker.

    Three ways to put: `put` waits for room (a file can wait), `push` always takes and says whether it is full (a TCP peer is then
    no longer read), `offer` refuses when full (a datagram is lost, and counted).
    """

    def __init__(self, *, max_items: int, max_bytes: int, on_room: Callable[[], None] = lambda: None) -> None:
        """`on_room` is called, in the taking thread, when the queue has fallen from full to half."""
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._on_room = on_room
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._was_full = False
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """True once at a bound."""
        return len(self._items) >= self._max_items or self._bytes >= self._max_bytes

    def put(self, item: Item, size: int) -> bool:
        """Wait for room, then take the item. False when the queue was closed and the item was not taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self.is_full)
            if self._closed:
                return False
            self._take_in(item, size)
            return True

    def push(self, item: Item, size: int) -> bool:
        """Take the item whatever the bounds; True when they are reached, so that the sender is held back."""
        with self._changed:
            self._take_in(item, size)
            self._was_full = self._was_full or self.is_full
            return self.is_full

    def offer(self, item: Item, size: int) -> bool:
        """Take the item when there is room; False when there is none."""
        with self._changed:
            if self.is_full:
                self._was_full = True
                return False
            self._take_in(item, size)
            return True

    def take(self, *, max_items: int, max_bytes: int, linger: float) -> list[Item]:
        """The next items, in order: waits for the first, then up to `linger` seconds for company. Empty: closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            deadline = monotonic() + linger
            while not self._closed and len(self._items) < max_items and self._bytes < max_bytes:
                if not self._changed.wait(deadline - monotonic()):
                    break
            taken: list[Item] = []
            size = 0
            while self._items and len(taken) < max_items and (not taken or size + self._items[0][1] <= max_bytes):
                item, weight = self._items.popleft()
                taken.append(item)
                size += weight
            self._bytes -= size
            has_room = self._was_full and len(self._items) <= self._max_items // 2 and self._bytes <= self._max_bytes // 2
            if has_room:
                self._was_full = False
            self._changed.notify_all()
        if has_room:
            self._on_room()
        return taken

    def close(self) -> None:
        """Take nothing more by `put`; what is in the queue can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take_in(self, item: Item, size: int) -> None:
        self._items.append((item, size))
        self._bytes += size
        self._changed.notify_all()
