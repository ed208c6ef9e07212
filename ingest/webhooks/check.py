"""What a signature check is given and what it answers, and the hook that it guards."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.errors import PhitrailError


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRequest:
    """A request as it came: header names in lower case, the body byte for byte, and what stood behind the provider's name."""

    headers: Mapping[str, str]
    body: bytes
    token: str | None = None


class Cause(StrEnum):
    """Why a request was refused. The first two are answered 401, the others 403."""

    UNSIGNED = "unsigned"
    UNAUTHENTICATED = "unauthenticated"
    BAD_SIGNATURE = "bad_signature"
    STALE = "stale"
    REPLAYED = "replayed"
    NOT_ALLOWED = "not_allowed"


_SENTENCES: Mapping[Cause, str] = {
    Cause.UNSIGNED: "The request carries no signature.",
    Cause.UNAUTHENTICATED: "The request carries no user, password or token that is known here.",
    Cause.BAD_SIGNATURE: "The signature does not fit this request and the key that is set here.",
    Cause.STALE: "The request was signed too long ago, or the clocks differ.",
    Cause.REPLAYED: "The signature was used before, for another body.",
    Cause.NOT_ALLOWED: "The sender is none that is set here.",
}


class Refused(PhitrailError):
    """The request does not come from the provider, or not now. Nothing of it may be stored."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(_SENTENCES[cause])
        self.cause = cause


class Verdict(StrEnum):
    """What to do with a request that was not refused: store it, or only answer it."""

    STORE = "store"
    ANSWER = "answer"


class Check(Protocol):
    """
    Looks at a request. Raises Refused; Backpressure where it cannot tell now and the sender should come back.

    With `needs_body` False it reads headers and path alone, and is asked before the body is read. Thread-safe.
    """

    @property
    def needs_body(self) -> bool: ...

    def __call__(self, request: HookRequest) -> Verdict: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A provider that may post here: the name its events get as source system, and the check in front."""

    provider: str
    source_system: str
    check: Check


class HookTally:
    """How many requests of each provider ended how. Thread-safe; names are those of hooks, so there are few."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, provider: str, outcome: str) -> None:
        """One more request: `stored`, `answered`, `back_pressure`, or a Cause."""
        with self._guard:
            self._counts[provider, outcome] += 1

    def counts(self) -> Mapping[tuple[str, str], int]:
        """(provider, outcome) and how often, since the start."""
        with self._guard:
            return dict(self._counts)
