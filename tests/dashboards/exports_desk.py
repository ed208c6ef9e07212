"""A ledger of two months, the desk that makes exports of it as `runtime/` wires it, and archives taken apart and put together."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import dashboards.export_verify
from dashboards.export_check import MAX_BYTES, verify_bundle
from dashboards.export_request import ExportRequest
from dashboards.exports import ExportDesk
from domain.event import AuditEvent
from domain.json import Json
from domain.note import Signer, Verifier
from store.engine import Engine
from store.events import EventFilter
from store.exports import ExportQuestions
from store.proofs import Proofs
from store.spine import SpineEntry
from tests.support.cast import ALICE, BOB, MALLORY, PATIENT, chart_view
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, Node, node

PURPOSE = "OCR audit 2026-117"


@dataclass(slots=True)
class ExportHouse:
    """The node, and the desk over it. `before_commit` runs in front of the spine entry of an export."""

    live: Node
    clock: TickingClock
    before_commit: Callable[[], None] = lambda: None

    def desk(self) -> ExportDesk:
        """The desk; ids count up."""
        numbers = iter(range(1, 1000))
        return ExportDesk(
            questions=ExportQuestions(self.live.engine),
            clock=self.clock,
            new_id=lambda: f"EXP-{self.clock.now:%H%M}-{next(numbers)}",
            record=self._record,
            checkpoint=self.live.ledger.checkpoint,
            commit=self._commit,
            prover=lambda: Proofs(self.live.engine, SIGNER.name).event,
            completeness_verdict=lambda: ("gaps", ["recording in ehr was stopped once"]),
            verifier=SIGNER.verifier,
            organisation="Lakeside Clinic",
            zone=ZoneInfo("America/Chicago"),
        )

    def _record(self, event: AuditEvent) -> None:
        self.live.ledger.append([event])

    def _commit(self, kind: str, fields: Mapping[str, Json]) -> SpineEntry:
        self.before_commit()
        return self.live.ledger.commit_entry(kind, fields)


@contextmanager
def export_house(engine: Engine, directory: Path) -> Iterator[ExportHouse]:
    """70 events in February and 41 in March: of P-1, P-2 and P-3, by Alice, Bob, Mallory and a patient."""
    clock = TickingClock(datetime(2026, 2, 27, 9, tzinfo=UTC))
    actors = [ALICE, BOB, MALLORY, PATIENT]
    with node(engine, directory, clock) as live:
        live.ledger.append([chart_view(n, actor=actors[n % 4], patient=f"P-{1 + n % 3}") for n in range(70)])
        clock.now = datetime(2026, 3, 4, 9, tzinfo=UTC)
        live.ledger.append([chart_view(n, actor=actors[n % 4], patient=f"P-{1 + n % 3}") for n in range(70, 111)])
        yield ExportHouse(live, clock)


def request(**changes: object) -> ExportRequest:
    """An export of P-1 for an audit, with the given fields changed."""
    fields: dict[str, object] = {"wanted": EventFilter(patient_id="P-1"), "purpose": PURPOSE, "by": "privacy.officer"}
    return ExportRequest(**(fields | changes))  # type: ignore[arg-type]


Files = dict[str, bytes]


def unpack(path: Path) -> Files:
    """The files of an archive by name, in order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Files, path: Path) -> Path:
    """An archive of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refit(files: Files) -> None:
    """Let the manifest fit the files again: what an attacker without the ledger's key can do."""
    manifest = json.loads(files["manifest.json"])
    for name in manifest["files"]:
        manifest["files"][name] = {"bytes": len(files[name]), "sha256": sha256(files[name]).hexdigest()}
    manifest["counts"]["events"] = files["events.jsonl"].count(b"\n")
    files["manifest.json"] = json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def resign(files: Files, signer: Signer) -> None:
    """Sign the checkpoints again with another key, and put that key in."""
    note = files["checkpoint"].decode()
    files["checkpoint"] = signer.sign(note[: note.index("\n\n") + 1]).encode()
    receipt = json.loads(files["receipt.json"])
    receipt["checkpoint"] = signer.sign(receipt["checkpoint"][: receipt["checkpoint"].index("\n\n") + 1])
    files["receipt.json"] = json.dumps(receipt).encode()
    files["keys/ledger.vkey"] = signer.verifier.text.encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Found:
    """What a checker says is wrong: in which file, at which line."""

    file: str
    line: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What either checker says of an export, in one form."""

    exit_code: int
    problems: tuple[Found, ...]


Checker = Callable[..., Checked]


def by_our_code(path: Path, trust: Verifier | None = None, *, max_bytes: int = MAX_BYTES) -> Checked:
    """`phitrail verify-export`."""
    verdict = verify_bundle(path, trust, max_bytes=max_bytes)
    return Checked(verdict.exit_code, tuple(Found(one.file, one.line, one.what) for one in verdict.problems))


def by_verify_py(path: Path, trust: Verifier | None = None, *, max_bytes: int = MAX_BYTES) -> Checked:
    """verify.py, as a stranger runs it: alone, with nothing of this program or of the environment in reach."""
    done = stand_alone(path, trust, f"--max-bytes={max_bytes}")
    if done.exit_code == 2:
        return Checked(2, (Found("", None, done.errors.removeprefix("UNREADABLE  ").strip()),))
    failed = [why for claim in done.claims.values() if claim.state == "FAILED" for why in claim.why]
    return Checked(done.exit_code, tuple(_found(why) for why in failed))


CHECKERS = [by_our_code, by_verify_py]


@dataclass(frozen=True, slots=True)
class Said:
    """What verify.py says of one claim."""

    state: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of verify.py. `claims` by their text."""

    exit_code: int
    output: str
    errors: str

    @property
    def claims(self) -> dict[str, Said]:
        """Each claim with its state and reasons."""
        said: dict[str, Said] = {}
        for match in re.finditer(r"^(PROVEN|NOT PROVEN|FAILED) +(.+)\n((?: {14}.+\n)+)", self.output, re.MULTILINE):
            said[match[2]] = Said(match[1], tuple(line.strip() for line in match[3].splitlines()))
        return said

    def claim(self, words: str) -> Said:
        """The one claim whose text has these words."""
        (found,) = [said for text, said in self.claims.items() if words in text]
        return found


def stand_alone(
    path: Path, trust: Verifier | None = None, *more: str, python: str = sys.executable, program: Path | None = None
) -> Ran:
    """Run verify.py (or a copy) in isolated mode, in the folder of the export."""
    arguments = [str(path), *more]
    if trust is not None:
        key = path.parent / "trusted.vkey"
        key.write_text(trust.text + "\n", encoding="utf-8")
        arguments += ["--trust", str(key)]
    file = program or Path(dashboards.export_verify.__file__)
    done = subprocess.run([python, "-I", str(file), *arguments], capture_output=True, timeout=60, check=False, cwd=path.parent)
    if trust is not None:
        key.unlink()
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def _found(why: str) -> Found:
    place = re.match(r"([A-Za-z./_]+)(?: line (\d+))?: (.*)", why)
    return Found("", None, why) if place is None else Found(place[1], int(place[2]) if place[2] else None, place[3])
