"""What people decided shall open no alert for a while, and what was held back because of it.

Setting and lifting is first an event of the ledger and then a row: nothing is held back that nobody is named for. The event says
which kind, until when and by what it is narrowed, never to whom; reason and ids are in the row (45 CFR 164.316(b)(1)(ii)).
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from domain.clock import rfc3339
from domain.errors import Conflict, InvalidInput, NotFound
from domain.event import AuditEvent
from domain.finding import Finding
from domain.json import Json
from domain.suppression import MOST_REASON, NARROWINGS, Suppression, holder
from store.alert_events import SERVICE, Record, alert_event
from store.engine import Engine
from store.findings import Findings

MOST_HELD = 1_000
"""Findings of one suppression that are given at once, newest first."""

_MOST_BY = 128

_READ = """
SELECT * FROM suppressions WHERE {suppression_id:String} IN ('', suppression_id) ORDER BY suppression_id, at
"""

_COUNTS = "SELECT suppression_id, count() FROM held_findings FINAL GROUP BY suppression_id"

_HELD = """
SELECT finding_id FROM held_findings FINAL WHERE suppression_id = {suppression_id:String}
ORDER BY time DESC, finding_id LIMIT {limit:UInt32}
"""


class Suppressions:
    """Reads suppressions, judges findings by them and keeps which were held back. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._findings = Findings(engine)

    def all(self) -> list[Suppression]:
        """Every suppression ever set, as it stands, newest first."""
        return self._read("")

    def get(self, suppression_id: str) -> Suppression:
        """One as it stands. Raises NotFound."""
        found = self._read(suppression_id) if suppression_id else []
        if not found:
            raise NotFound("there is no suppression with this id")
        return found[0]

    def holding(self, findings: Sequence[Finding]) -> Mapping[str, str]:
        """Which of these findings are held back: their ids, each with the id of the suppression."""
        known = self.all() if findings else []
        found = {finding.finding_id: holder(known, finding) for finding in findings} if known else {}
        return {finding_id: one.suppression_id for finding_id, one in found.items() if one is not None}

    def hold(self, findings: Sequence[Finding], by: Mapping[str, str]) -> None:
        """Keep that these findings were held back by the suppressions given, as `holding` gave them. Again changes nothing."""
        if findings:
            rows = {
                one.finding_id: {"finding_id": one.finding_id, "suppression_id": by[one.finding_id], "time": one.time}
                for one in findings
            }
            self._engine.insert("held_findings", pl.DataFrame(list(rows.values()), schema=_HELD_SCHEMA))

    def counts(self) -> Mapping[str, int]:
        """How many findings each suppression held back, by its id; those that held none are left out."""
        return {str(one): int(str(number)) for one, number in self._engine.rows(_COUNTS)}

    def held(self, suppression_id: str, *, limit: int = MOST_HELD) -> list[Finding]:
        """What a suppression held back, newest first, at most `limit`. Raises NotFound."""
        self.get(suppression_id)
        rows = self._engine.rows(_HELD, suppression_id=suppression_id, limit=limit)
        found = self._findings.get([str(row[0]) for row in rows])
        return sorted(found, key=lambda finding: (finding.time, finding.finding_id), reverse=True)

    def held_by_kind(self) -> Mapping[str, int]:
        """How many findings were held back, by kind: for the metrics; nothing in it names anybody."""
        counts = self.counts()
        kinds: dict[str, int] = {}
        for one in self.all() if counts else []:
            if held := counts.get(one.suppression_id):
                kinds[one.kind] = kinds.get(one.kind, 0) + held
        return kinds

    def _read(self, suppression_id: str) -> list[Suppression]:
        found: dict[str, Suppression] = {}
        lifts: dict[str, Mapping[str, object]] = {}
        for row in self._engine.frame(_READ, suppression_id=suppression_id).iter_rows(named=True):
            name = row["suppression_id"]
            if row["step"] == "set":
                found[name] = Suppression(set_at=row["at"], **{field: row[field] for field in _FIELDS})
            else:
                lifts.setdefault(name, {"lifted_at": row["at"], "lifted_by": row["by"], "lift_reason": row["reason"]})
        whole = [replace(one, **lifts.get(name, {})) for name, one in found.items()]  # type: ignore[arg-type]
        return sorted(whole, key=lambda one: (one.set_at, one.suppression_id), reverse=True)


class SuppressionBook:
    """Sets and lifts suppressions. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, record: Record, new_token: Callable[[], str]) -> None:
        """`record` is where the event of each step goes (`Ledger.append`); `new_token` gives random text for ids."""
        self._engine = engine
        self._record = record
        self._new_token = new_token
        self._known = Suppressions(engine)

    def set(self, kind: str, narrowings: Mapping[str, str], *, by: str, reason: str, at: datetime, until: datetime) -> Suppression:
        """Hold back findings of a kind from `at`; `narrowings` by the names of NARROWINGS, empty ones not given.

        Raises InvalidInput as `Suppression.check` does, and for a narrowing that does not exist or a name of no person.
        """
        if unknown := set(narrowings).difference(NARROWINGS):
            raise InvalidInput(f"a suppression is narrowed by {', '.join(NARROWINGS)}; not by {', '.join(sorted(unknown))}")
        given = {name: value.strip() for name, value in narrowings.items()}
        given["to_domain"] = given.get("to_domain", "").lower().rstrip(".")
        one = Suppression(
            suppression_id=_name(self._new_token()),
            kind=kind.strip(),
            by=by,
            reason=reason.strip(),
            set_at=at,
            until=until,
            **given,  # type: ignore[arg-type]  # the names of NARROWINGS, each text
        )
        one.check()
        _check_person(by)
        self._record([_event(one, "suppression_set", by=by, at=at)])
        self._write(one, "set", by=by, reason=one.reason, at=at)
        return one

    def lift(self, suppression_id: str, *, by: str, reason: str, at: datetime) -> Suppression:
        """End it at `at`. Raises NotFound, Conflict when it has ended already, and InvalidInput without person or reason."""
        one = self._known.get(suppression_id)
        _check_person(by)
        why = reason.strip()
        if not 0 < len(why) <= MOST_REASON:
            raise InvalidInput(f"a reason is needed, of at most {MOST_REASON:,} characters")
        if at >= one.ends:
            raise Conflict("the suppression has ended already")
        if at < one.set_at:
            raise Conflict("the suppression was set later than now; check the clock of this machine, and repeat")
        self._record([_event(one, "suppression_lifted", by=by, at=at)])
        self._write(one, "lifted", by=by, reason=why, at=at)
        return replace(one, lifted_at=at, lifted_by=by, lift_reason=why)

    def _write(self, one: Suppression, step: str, *, by: str, reason: str, at: datetime) -> None:
        row = {field: getattr(one, field) for field in _FIELDS} | {"step": step, "at": at, "by": by, "reason": reason}
        self._engine.insert("suppressions", pl.DataFrame([row], schema=_SCHEMA))


_FIELDS = ("suppression_id", "kind", "by", "reason", "until", *NARROWINGS)

_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("suppression_id", "step"), pl.String()),
    "at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("by", "reason", "kind", *NARROWINGS), pl.String()),
    "until": pl.Datetime("us", "UTC"),
}

_HELD_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("finding_id", "suppression_id"), pl.String()),
    "time": pl.Datetime("us", "UTC"),
}


def _check_person(by: str) -> None:
    if by in ("", SERVICE) or len(by) > _MOST_BY:
        raise InvalidInput("a suppression is a person's decision: say who sets or lifts it")


def _name(token: str) -> str:
    """16 characters of base32 over random text: says nothing, and cannot be guessed from what is held back."""
    return base64.b32encode(hashlib.sha256(token.encode()).digest()[:10]).decode().lower()


def _event(one: Suppression, action: str, *, by: str, at: datetime) -> AuditEvent:
    details: dict[str, Json] = {
        "suppression_id": one.suppression_id,
        "kind": one.kind,
        "until": rfc3339(one.until),
        "narrowings": list(one.narrowings),
    }
    step = action.removeprefix("suppression_")
    moment = "" if step == "set" else f".{rfc3339(at)}"
    return alert_event(event_id=f"suppression.{one.suppression_id}.{step}{moment}", action=action, by=by, at=at, details=details)
