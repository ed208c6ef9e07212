"""A forged ledger that witnesses have seen: one log with an anchor in front of every event, and one without."""

import zipfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from tests.dashboards.exports_forge import POLICY, Draft, Entry, Files, Forge

SEEN = datetime(2026, 3, 10, 9, 0, 30, tzinfo=UTC)
"""When the witnesses saw the export's checkpoint; a minute before they had seen the one that the anchor names."""

BOTH = {"one": SEEN, "two": SEEN + timedelta(seconds=1)}
EARLY = {name: when - timedelta(minutes=1) for name, when in BOTH.items()}
TOKEN = b"0\x03\x02\x01\x07"


class Scene:
    """An export of P-1 out of two logs: in the long one an anchor stands in front of every event, in the other nowhere."""

    def __init__(self) -> None:
        self.forge = Forge()
        self.log, self.other = self.forge.log("main", 202603), self.forge.log("b", 202603)
        for _ in range(3):
            self.forge.add(self.log, patient="P-2")
        self.forge.add(self.other, patient="P-3")
        self.forge.commit_heads()
        self.note = self.forge.note(1, seen_by=EARLY)
        self.anchor = self.add_anchor({"note_sha256": sha256(self.note.encode()).hexdigest()})
        for _ in range(300):
            self.forge.add(self.log, patient="P-1")

    def add_anchor(self, details: object, **changes: object) -> Entry:
        """A `time_anchor` entry."""
        said = {"action": "time_anchor", "patient": None, "actor": "phitrail", "kind": "staff", "details": details}
        return self.forge.add(self.log, **said | changes)

    def draft(self, seen_by: dict[str, datetime | int] | None = None, **changes: object) -> Draft:
        """The export, with both time lines."""
        draft = self.forge.draft({"patient_id": "P-1"}, seen_by=BOTH if seen_by is None else seen_by, policy=POLICY, **changes)
        draft.timestamps = [draft.covers_line(self.log), draft.after_line(self.log, self.anchor, self.note)]
        return draft


def cosignature(note: str, name: str) -> str:
    """The line of one witness."""
    return next(line for line in note.splitlines(keepends=True) if line.startswith(f"— witness.example/{name} "))


def drop_log(draft: Draft, origin: str) -> None:
    """Take the events of a log and their proofs out."""
    start = next(number for number, line in enumerate(draft.proofs) if line.get("log") == origin)
    end = next((number for number, line in enumerate(draft.proofs) if number > start and "log" in line), len(draft.proofs))
    places = {line["seq"] for line in draft.proofs[start:end] if "seq" in line}
    writer = draft.proofs[start]["writer"]
    draft.events = [event for event in draft.events if (event["writer"], event["seq"] in places) != (writer, True)]
    del draft.proofs[start:end]


def unpack(path: Path) -> Files:
    """The files of an archive by name, in order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
