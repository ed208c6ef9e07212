"""What checking an export answers: claims, each PROVEN, NOT PROVEN or FAILED, with the sentences that say why.

The names and texts are those of docs/export-format.md section 4. The worst that is said of a claim holds: what failed stays failed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.errors import IntegrityError

CLAIMS: Mapping[str, str] = {
    "archive": "the archive holds the files of an export, and nothing else",
    "files": "every file is the one that the manifest was made for",
    "signature": "the checkpoint and the receipt are signed by the keys that you trust",
    "receipt": "the manifest is the one that the ledger recorded for this export",
    "events": "each event stands, unchanged, in a log that the checkpoint commits to",
    "order": "the events are in order, each with the number that its place in the log gives it",
    "twice": "no event is here twice",
    "count": "there are as many events as the manifest says",
    "private": "each private part that is given is the one that was hashed",
    "withheld": "the private part of every event is here",
    "scope": "every event of the ledger that was asked for is here",
    "since": "the ledger has only grown since the older checkpoint",
    "later": "each event was recorded not later than the time shown",
    "earlier": "each event was recorded not earlier than the time shown",
    "quorum": "the checkpoint was seen by a quorum of the witnesses that you trust",
    "tombstones": "what was disposed of after retention is shown by the ledger's own entries",
}

CANNOT = """What a log cannot prove, and this program does not say:
  - that the ledger was told of everything that happened; completeness.json says what is known about that
  - that what an event says is true, or that the person named did it rather than someone with their password
  - that one thing was recorded once: a source may report it twice, as two events"""

MAX_REASONS = 20
"""Sentences that are kept about one claim that failed."""


class State(StrEnum):
    """PROVEN; NOT PROVEN: nothing in the export shows it, nothing contradicts it; FAILED: something in it contradicts it."""

    PROVEN = "PROVEN"
    NOT_PROVEN = "NOT PROVEN"
    FAILED = "FAILED"


_WORSE = [State.PROVEN, State.NOT_PROVEN, State.FAILED]


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of a claim, and why. The place of a failure stands in front of its sentence: `events.jsonl line 6: …`."""

    state: State
    why: tuple[str, ...]


class Misfit(IntegrityError):
    """Something that contradicts a claim: in which file, at which line from 1 (None: the file as a whole)."""

    def __init__(self, message: str, *, claim: str, file: str, line: int | None = None) -> None:
        super().__init__(message)
        self.claim = claim
        self.place = file if line is None else f"{file} line {line}"


@dataclass(slots=True)
class Findings:
    """What has been said of each claim so far."""

    _said: dict[str, list[tuple[State, str]]] = field(default_factory=lambda: {name: [] for name in CLAIMS})

    def proven(self, claim: str, why: str) -> None:
        """Something that shows it."""
        self._said[claim].append((State.PROVEN, plain(why)))

    def open(self, claim: str, why: str) -> None:
        """Something that would have to be shown, and is not."""
        self._said[claim].append((State.NOT_PROVEN, plain(why)))

    def failed(self, claim: str, why: str) -> None:
        """Something that contradicts it."""
        failures = [one for one in self._said[claim] if one[0] is State.FAILED]
        self._said[claim] = failures[:MAX_REASONS]
        if len(failures) < MAX_REASONS:
            self._said[claim].append((State.FAILED, plain(why)))

    def misfit(self, error: Misfit) -> None:
        """The same, with its place."""
        self.failed(error.claim, f"{error.place}: {error}")

    def claims(self) -> Mapping[str, Claim]:
        """Every claim, settled."""
        return {name: _settled(said) for name, said in self._said.items()}


def plain(text: str) -> str:
    """Without control characters and line ends: what an export says begins no line of its own and steers no terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _settled(said: Sequence[tuple[State, str]]) -> Claim:
    if not said:
        return Claim(State.NOT_PROVEN, ("not reached, because of what failed",))
    state = max((one for one, _ in said), key=_WORSE.index)
    return Claim(state, tuple(why for one, why in said if state is not State.FAILED or one is State.FAILED))
