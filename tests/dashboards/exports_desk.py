"""Ledgers to make exports of, the desk that makes them as `runtime/` wires it, and archives taken apart and put together.

`export_house` is a small ledger of two months. `old_house` has everything that an export can have to say: months disposed of,
sealed and open logs of two writers, a key that changed, witnesses, a time-stamp, redacted entries, records about several patients,
earlier exports. `sample_bundles` makes one export of it for each question there is. The checkers are in `exports_checkers.py`.
"""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from dashboards.export_request import ExportRequest
from dashboards.exports import ExportDesk, export_bundle
from domain.cosignature import Algorithm, CosigningKey
from domain.event import Actor, ActorKind, AuditEvent, Source
from domain.json import Json
from domain.note import Signer
from domain.record import Parsed
from domain.witness_policy import WitnessPolicy
from ingest.parsers.fhir import FhirParser
from retention.redaction import Redaction, RedactionAuthority, RedactionReason
from store.cosignatures import Cosignatures, StoredCosignature
from store.engine import Engine
from store.events import EventFilter
from store.exports import ExportQuestions
from store.ledger import Ledger
from store.logs import LogRecord, registered_logs
from store.redaction import RedactionStore
from store.retention import RetentionStore
from store.spine import SpineEntry
from store.timestamps import Timestamp, Timestamps
from tests.support.cast import ALICE, BOB, MALLORY, PATIENT, chart_view
from tests.support.clock import TickingClock
from tests.support.node import SIGNER, Node, node

PURPOSE = "OCR audit 2026-117"

SUCCESSOR = Signer(SIGNER.name, bytes(range(32, 64)))
"""The key that the ledger of `old_house` is rotated to."""

WITNESSES = (
    CosigningKey("witness.example/one", b"\x01" * 32, Algorithm.ED25519),
    CosigningKey("witness.example/two", b"\x02" * 32, Algorithm.ML_DSA_44),
)

POLICY = WitnessPolicy.parse(
    f"log {SIGNER.verifier.text}\nlog {SUCCESSOR.verifier.text}\n"
    f"witness one {WITNESSES[0].cosigner.text}\nwitness two {WITNESSES[1].cosigner.text}\n"
    "group both all one two\nquorum both\n"
)

TOKEN = b"0\x03\x02\x01\x07"
"""Stands where a time-stamp token would: nothing in an export reads it but by its SHA-256."""


@dataclass(slots=True)
class HookedKeeper:
    """The node's keeper; what is in `before` runs in front of the step of this name (`checkpoint`, `index`, or a kind of entry)."""

    live: Node
    before: dict[str, Callable[[], None]] = field(default_factory=dict)

    def checkpoint(self) -> SpineEntry:
        """See `Keeper`."""
        self._step("checkpoint")
        return self.live.keeper.checkpoint()

    def index(self, record: LogRecord, size: int) -> SpineEntry:
        """See `Keeper`."""
        self._step("index")
        return self.live.keeper.index(record, size)

    def commit(self, kind: str, fields: Mapping[str, Json]) -> SpineEntry:
        """See `Keeper`."""
        self._step(kind)
        return self.live.keeper.commit(kind, fields)

    def _step(self, name: str) -> None:
        self.before.get(name, lambda: None)()


class ExportHouse:
    """The node, and the desk over it. `witnesses` cosign each export's checkpoint when they are asked."""

    def __init__(self, live: Node, clock: TickingClock, policy: WitnessPolicy | None = None) -> None:
        self.live = live
        self.clock = clock
        self.keeper = HookedKeeper(live)
        self.policy = policy
        self.witnesses: Sequence[CosigningKey] = ()
        self._numbers = iter(range(1, 10_000))

    def desk(self) -> ExportDesk:
        """The desk; ids count up."""
        return ExportDesk(
            questions=ExportQuestions(self.live.engine, SIGNER.name),
            clock=self.clock,
            new_id=lambda: f"EXP-{self.clock.now:%H%M}-{next(self._numbers)}",
            record=lambda event: self.live.ledger.append([event]),
            keeper=self.keeper,
            keys=self.live.spine.keys,
            completeness_verdict=lambda: ("gaps", ["recording in ehr was stopped once"]),
            organisation="Lakeside Clinic",
            zone=ZoneInfo("America/Chicago"),
            policy=self.policy,
            attest=self.cosign,
        )

    def export(self, out: Path, **changes: object) -> Path:
        """An export of P-1 with the given fields of the request changed."""
        return export_bundle(self.desk(), request(**changes), out).path

    def cosign(self) -> str:
        """Let the witnesses cosign the newest checkpoint. Returns it with their lines."""
        signed = self.live.spine.checkpoint()
        assert signed is not None
        note, _ = signed
        text = note[: note.index("\n\n") + 1]
        seconds = int(self.clock.now.timestamp())
        lines = [
            StoredCosignature(
                size=int(text.split("\n")[1]),
                name=f"{name}",
                timestamp=datetime.fromtimestamp(seconds, UTC),
                line=witness.cosign(text, seconds),
            )
            for name, witness in zip(("one", "two"), WITNESSES, strict=True)
            if witness in self.witnesses
        ]
        Cosignatures(self.live.engine).add(lines, self.clock.now)
        return note + "".join(line.line for line in lines)

    def anchor(self) -> None:
        """Record that the witnesses have seen the newest checkpoint, as `retention/` does."""
        note = self.cosign()
        digest = sha256(note.encode()).hexdigest()
        details: dict[str, Json] = {"size": int(note.split("\n")[1]), "note_sha256": digest, "names": ["one", "two"]}
        self.live.keeper.commit("witnessed", {**details, "is_quorum": True})
        self.live.ledger.append([self._anchor_event(f"time_anchor:{digest[:16]}", details)])

    def stamp(self) -> None:
        """Record a time-stamp token over the newest checkpoint, as `retention/` does."""
        signed = self.live.spine.checkpoint()
        assert signed is not None
        note, _ = signed
        text = note[: note.index("\n\n") + 1]
        stamp = Timestamp(
            size=int(text.split("\n")[1]),
            token=TOKEN,
            note=note,
            note_sha256=sha256(text.encode()).hexdigest(),
            gen_time=self.clock.now,
            received=self.clock.now,
            authority="tsa.example",
        )
        fields: dict[str, Json] = {
            "size": stamp.size,
            "note_sha256": stamp.note_sha256,
            "token_sha256": stamp.token_sha256,
            "gen_time": f"{self.clock.now:%Y-%m-%dT%H:%M:%S}.000000Z",
        }
        entry = self.live.keeper.commit("tsa", fields)
        Timestamps(self.live.engine).add(replace(stamp, spine_seq=entry.seq, in_ledger=True))
        self.live.ledger.append([self._anchor_event(f"time_anchor:{stamp.token_sha256}", fields)])

    def redact(self, writer: str, seqs: Sequence[int]) -> None:
        """Remove the private parts of these entries."""
        redaction = Redaction(
            RedactionStore(self.live.engine),
            RetentionStore(self.live.engine),
            commit=self.live.keeper.commit,
            checkpoint=self.live.keeper.checkpoint,
            record=lambda event: self.live.ledger.append([event]),
        )
        self.live.keeper.checkpoint()
        authority = RedactionAuthority(run_by="records.officer", approvers=("counsel", "privacy.officer"))
        redaction.run([(writer, seq) for seq in seqs], RedactionReason.COURT_ORDER, authority)

    def dispose(self, epoch: int) -> None:
        """Take a sealed month out of the store, as `retention/` does after the retention period."""
        seals = self.live.engine.rows("SELECT body FROM spine WHERE kind = 'seal' ORDER BY seq")
        sealed = [json.loads(str(body))["fields"] for (body,) in seals]
        months = [fields for fields in sealed if fields["epoch"] == epoch]
        genesis = {record.origin: record.previous.hex() for record in registered_logs(self.live.engine)}
        for fields in months:
            self.live.keeper.commit(
                "tombstone",
                {
                    **{name: fields[name] for name in ("origin", "epoch", "writer", "first_seq", "last_seq", "root", "last_leaf")},
                    "count": fields["size"],
                    "first_leaf_prev": genesis[fields["origin"]],
                    "archive_sha256": sha256(b"archive").hexdigest(),
                    "policy": "6 years",
                    "approvers": ["counsel"],
                    "run_by": "records.officer",
                },
            )
        self.live.keeper.commit("disposed", {"epoch": epoch, "logs": len(months), "run_by": "records.officer"})
        self.live.engine.execute(f"ALTER TABLE events DROP PARTITION {epoch}")

    def _anchor_event(self, event_id: str, details: Mapping[str, Json]) -> AuditEvent:
        return AuditEvent(
            source_system="phitrail",
            event_id=event_id,
            time=self.clock.now,
            source=Source.ACCESS,
            action="time_anchor",
            actor=Actor(id="phitrail", kind=ActorKind.SYSTEM),
            outcome="success",
            details=details,
        )


@contextmanager
def export_house(engine: Engine, directory: Path) -> Iterator[ExportHouse]:
    """70 events in February, sealed, and 41 in March: of P-1, P-2 and P-3, by Alice, Bob, Mallory and a patient."""
    clock = TickingClock(datetime(2026, 2, 27, 9, tzinfo=UTC))
    with node(engine, directory, clock) as live:
        live.ledger.append(_views(range(70)))
        clock.now = datetime(2026, 3, 4, 9, tzinfo=UTC)
        live.ledger.append(_views(range(70, 111)))
        live.keeper.seal_due()
        yield ExportHouse(live, clock)


@contextmanager
def old_house(engine: Engine, directory: Path) -> Iterator[ExportHouse]:
    """November 2025 (disposed of) to March 2026 (open), by the writers `main` and `site-b`; December is longer than two subtrees.

    Redacted are three entries of December, and two of March; in February the key changed, and a FHIR record named P-1 and P-2.
    """
    clock = TickingClock(datetime(2025, 11, 10, 9, tzinfo=UTC))
    with node(engine, directory, clock) as live:
        house = ExportHouse(live, clock, POLICY)
        house.witnesses = WITNESSES
        second = Ledger(
            engine=engine, anchor=live.anchor, origin=SIGNER.name, clock=clock, new_secret=lambda: b"\x02" * 32, writer="site-b"
        )
        live.keeper.attend(second)
        try:
            live.ledger.append(_views(range(1000, 1012)))
            second.append(_views(range(1100, 1105)))
            _month(house, 2025, 12)
            house.anchor()
            live.ledger.append(_views(range(2000, 2600)))
            second.append(_views(range(2700, 2707)))
            house.redact("main", [live.ledger.head().seq - n for n in (30, 29, 28)])
            house.dispose(202511)
            _month(house, 2026, 2)
            house.export(directory / "earlier.zip", purpose="an earlier export")
            live.ledger.append([*_views(range(3000, 3060)), *fhir_record("several-1", "P-1", "P-2")])
            live.spine.rotate(SUCCESSOR)
            _month(house, 2026, 3)
            house.anchor()
            house.stamp()
            live.ledger.append(_views(range(4000, 4041)))
            second.append(_views(range(4100, 4104)))
            house.redact("main", [live.ledger.head().seq - n for n in (6, 5)])
            clock.advance(minutes=1)
            yield house
        finally:
            live.keeper.leave(second)
            second.close()


def _month(house: ExportHouse, year: int, month: int) -> None:
    """Wind the clock to the tenth of a month, let what is over be sealed, and have it cosigned."""
    house.live.keeper.checkpoint()
    house.clock.now = datetime(year, month, 10, 9, tzinfo=UTC)
    house.live.keeper.seal_due()
    house.cosign()


def _views(numbers: range) -> list[AuditEvent]:
    actors = [ALICE, BOB, MALLORY, PATIENT]
    return [chart_view(n, actor=actors[n % 4], patient=f"P-{1 + n % 3}") for n in numbers]


def fhir_record(identity: str, *patients: str) -> list[AuditEvent]:
    """A FHIR AuditEvent that names several patients, as `ingest/` takes it apart: an event for each, with the whole record."""
    resource = {
        "resourceType": "AuditEvent",
        "id": identity,
        "type": {"code": "rest"},
        "subtype": [{"code": "search"}],
        "action": "E",
        "recorded": "2026-02-10T09:30:00Z",
        "outcome": "0",
        "agent": [{"altId": "alice", "requestor": True}],
        "entity": [{"what": {"reference": f"Patient/{one}"}, "role": {"code": "1"}} for one in patients],
    }
    parsed: Sequence[Parsed] = FhirParser("fhir").parse(json.dumps(resource).encode())
    events = [one for one in parsed if isinstance(one, AuditEvent)]
    assert len(events) == len(patients)
    return events


REQUESTS: Mapping[str, Mapping[str, object]] = {
    "patient": {"wanted": EventFilter(patient_id="P-1")},
    "patient in a period": {
        "wanted": EventFilter(
            patient_id="P-2",
            since=datetime(2026, 3, 3, tzinfo=UTC),
            until=datetime(2026, 3, 4, 6, tzinfo=UTC),
            actions=("view_chart",),
        )
    },
    "nobody": {"wanted": EventFilter(patient_id="P-99")},
    "actor": {"wanted": EventFilter(actor_id="mallory")},
    "patient as actor": {"wanted": EventFilter(actor_id="portal-1")},
    "source system": {"wanted": EventFilter(source_systems=("fhir",))},
    "everything": {"wanted": EventFilter()},
    "period": {"wanted": EventFilter(since=datetime(2026, 3, 3, tzinfo=UTC), until=datetime(2026, 3, 4, tzinfo=UTC))},
    "withheld": {"wanted": EventFilter(), "with_private": False},
    "patient withheld": {"wanted": EventFilter(patient_id="P-1"), "with_private": False},
    "address": {"wanted": EventFilter(patient_id="P-1", ip="192.0.2.7")},
    "words": {"wanted": EventFilter(patient_id="P-3", text="VIEW-40")},
    "nothing": {"wanted": EventFilter(ip="203.0.113.9")},
}
"""One question for each shape that an export can have."""


def sample_bundles(engine: Engine, directory: Path) -> dict[str, Path]:
    """An export of `old_house` for each of `REQUESTS`, and `since`: consistent with the checkpoint in the file `old.checkpoint`."""
    made: dict[str, Path] = {}
    with old_house(engine, directory) as house:
        for number, (name, changes) in enumerate(REQUESTS.items()):
            house.clock.advance(minutes=1)
            made[name] = house.export(directory / f"{number}.zip", **changes)
        old = house.live.spine.checkpoint()
        assert old is not None
        (directory / "old.checkpoint").write_text(old[0], encoding="utf-8")
        house.live.keeper.checkpoint()
        house.clock.advance(minutes=1)
        house.witnesses = ()
        made["since"] = house.export(directory / "since.zip", since_checkpoint=old[0])
        (directory / "ledger.keys").write_text(house.live.spine.keys.text, encoding="utf-8")
        (directory / "trusted.tlog-policy").write_text(POLICY.text, encoding="utf-8")
    return made


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


def lines(files: Files, name: str) -> list[dict[str, object]]:
    """The lines of a `.jsonl` file, decoded."""
    return [json.loads(line) for line in files[name].splitlines()]


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
    files["keys/ledger.keys"] = signer.verifier.text.encode() + b" 0 -\n"
