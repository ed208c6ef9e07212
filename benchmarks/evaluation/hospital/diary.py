"""The diary: every event of the hospital as it happened, before it is written out.

A row is a tuple, because there are a million of them; `ROW` names its fields.
"""

from dataclasses import dataclass, field

from benchmarks.evaluation.hospital.places import Place
from domain.json import Json

ROW = ("time", "source", "action", "actor", "kind", "patient", "outcome", "place", "module", "seconds", "extra")
Row = tuple[float, str, str, str, str, str | None, str | None, Place | None, str | None, int | None, dict[str, Json] | None]
NOWHERE = Place("", "", "")


@dataclass(slots=True)
class Diary:
    """Rows in the order they were thought of, and the incidents some belong to (row number to incident id).

    `silenced` takes ordinary rows out again: (account, from, to), where an incident or decoy needs somebody to have been away.
    """

    rows: list[Row] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)
    silenced: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    sessions: int = 0
    undocumented: int = 0

    def note(
        self,
        time: float,
        actor: str,
        action: str,
        *,
        place: Place | None,
        kind: str = "staff",
        source: str = "access",
        patient: str | None = None,
        outcome: str | None = "success",
        module: str | None = None,
        seconds: int | None = None,
        extra: dict[str, Json] | None = None,
    ) -> None:
        """Write one event down."""
        self.rows.append((time, source, action, actor, kind, patient, outcome, place, module, seconds, extra))

    def silence(self, account: str, begin: float, end: float) -> None:
        """Ordinary events of the account in [begin, end) did not happen."""
        self.silenced.setdefault(account, []).append((begin, end))

    def is_silenced(self, row: Row) -> bool:
        """Whether an ordinary row was taken out."""
        return any(begin <= row[0] < end for begin, end in self.silenced.get(row[3], ()))
