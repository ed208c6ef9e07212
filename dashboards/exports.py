"""The audit export: what a regulator gets, with everything needed to check it and nothing needed from us.

Steps, and what a stop before the next one leaves. The export is in the ledger before anyone has it.

    (1) the request is an event in the ledger, durable          an export that was asked for and not given
    (2) a checkpoint covers everything stored by now            the same
    (3) events, rows and proofs, streamed to a private folder   the same, and a folder that the next export removes
    (4) completeness, report, README, manifest                  the same
    (5) the spine commits to the manifest's hash, signed        an export that is known to the ledger and not given
    (6) the zip is written, synced, and takes its name          given
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import orjson

from dashboards import export_format as names
from dashboards.export_completeness import what_is_missing
from dashboards.export_readme import readme
from dashboards.export_report import export_document
from dashboards.export_request import ExportRequest, asked, asked_words, check_request, request_event
from dashboards.export_tally import Tally
from dashboards.export_zip import FileSum, file_sum, give, write_zip
from dashboards.reports.as_csv import csv_lines
from dashboards.reports.as_html import render_html
from dashboards.reports.as_pdf import render_pdf
from dashboards.reports.document import NAMELESS, LedgerState
from domain.checkpoint import parse_checkpoint
from domain.clock import Clock, rfc3339
from domain.errors import NotFound
from domain.event import AuditEvent
from domain.json import Json, canonical
from domain.note import Verifier, open_note
from domain.proof import EventProof
from store.exports import ExportedEntry, ExportQuestions
from store.spine import SpineEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportGiven:
    """An export that was made: its id, number of events, and the hash of its manifest as the spine entry `spine_seq` has it."""

    export_id: str
    path: Path
    events: int
    manifest_sha256: str
    spine_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportDesk:
    """What making an export needs of the node.

    `record` stores an event durably (`Ledger.append`), `checkpoint` signs the spine, `commit` adds a spine entry, `prover` makes a
    prover against the newest checkpoint, `completeness_verdict` gives the second verdict as (verdict, sentences).
    """

    questions: ExportQuestions
    clock: Clock
    new_id: Callable[[], str]
    record: Callable[[AuditEvent], object]
    checkpoint: Callable[[], object]
    commit: Callable[[str, Mapping[str, Json]], SpineEntry]
    prover: Callable[[], Callable[[str, int], EventProof]]
    completeness_verdict: Callable[[], tuple[str, Sequence[str]]]
    verifier: Verifier
    organisation: str
    zone: ZoneInfo


def export_bundle(desk: ExportDesk, request: ExportRequest, out: Path) -> ExportGiven:
    """Make the export and put it at `out`, which must not exist.

    Raises InvalidInput for a request that is refused, NotFound where nothing is signed yet. Memory does not grow with the number of
    events; beside `out` it takes the size of the uncompressed files for a while.
    """
    check_request(request, out)
    export_id, made_at = desk.new_id(), desk.clock()
    # (1)
    desk.record(request_event(export_id, made_at, request))
    # (2)
    desk.checkpoint()
    folder = out.with_name(f".{out.name}.making")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "keys").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    try:
        return _make(desk, request, out, folder, export_id, made_at)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(desk: ExportDesk, request: ExportRequest, out: Path, folder: Path, export_id: str, made_at: datetime) -> ExportGiven:
    files = {name: folder / name for name in names.ORDER}
    # (3)
    tally, note = _stream(desk, request, files)
    head = parse_checkpoint(open_note(note, [desk.verifier]).text)
    # (4)
    verdict, findings = desk.completeness_verdict()
    missing = what_is_missing(desk.questions, request.wanted, tally, verdict=verdict, findings=findings, now=made_at)
    files[names.CHECKPOINT].write_text(note, encoding="utf-8")
    files[names.KEY].write_text(f"{desk.verifier.text}\n", encoding="utf-8")
    files[names.COMPLETENESS].write_bytes(_pretty(missing.to_json()))
    document = export_document(
        tally,
        missing,
        organisation=desk.organisation or NAMELESS,
        zone=desk.zone,
        asked=asked_words(request, export_id, desk.zone),
        made_at=made_at,
        with_private=request.with_private,
        ledger=LedgerState(note=note),
    )
    files[names.REPORT_HTML].write_bytes(render_html(document))
    files[names.REPORT_PDF].write_bytes(render_pdf(document))
    explained = readme(
        organisation=desk.organisation or NAMELESS,
        by=request.by,
        purpose=request.purpose,
        export_id=export_id,
        made_at=made_at,
        events=tally.events,
        with_private=request.with_private,
        key=desk.verifier.text,
    )
    files[names.README].write_text(explained, encoding="utf-8")
    files[names.VERIFY].write_bytes(resources.files("dashboards").joinpath("export_verify.py").read_bytes())
    sums = {name: file_sum(files[name]) for name in names.LISTED}
    manifest = _manifest(desk, request, tally, sums, export_id=export_id, made_at=made_at)
    manifest["ledger"] = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    files[names.MANIFEST].write_bytes(_pretty(manifest))
    digest = file_sum(files[names.MANIFEST]).sha256
    # (5)
    entry = desk.commit("export", {"export_id": export_id, "manifest_sha256": digest, "events": tally.events})
    receipt = desk.questions.receipt(desk.verifier.name, entry.seq, entry.checkpoint)
    files[names.RECEIPT].write_bytes(_pretty(names.receipt_fields(receipt)))
    # (6)
    packed = folder / "export.zip"
    write_zip(files, names.ORDER, packed)
    give(packed, out)
    return ExportGiven(export_id=export_id, path=out, events=tally.events, manifest_sha256=digest, spine_seq=entry.seq)


def _stream(desk: ExportDesk, request: ExportRequest, files: Mapping[str, Path]) -> tuple[Tally, str]:
    """Every matching entry once, to three files at a time. Returns the counts, and the checkpoint that all is proven against."""
    tally, note = Tally(), ""
    logs = desk.questions.covered_logs(request.wanted)
    prove = desk.prover()
    with (
        files[names.EVENTS].open("wb") as events,
        files[names.EVENTS_CSV].open("wb") as rows,
        files[names.PROOFS].open("wb") as proofs,
    ):
        rows.write(csv_lines([names.CSV_FIELDS]))
        for log in logs:
            is_new_log = True
            for entry in desk.questions.entries(log, request.wanted):
                proof = prove(entry.writer, entry.seq)
                if is_new_log:
                    _line(proofs, names.log_line(proof))
                    is_new_log = False
                note = proof.checkpoint
                _line(proofs, names.path_line(proof))
                _line(events, names.event_line(entry, with_private=request.with_private))
                rows.write(csv_lines([_row(entry, with_private=request.with_private)]))
                tally.add(entry, log.record.origin)
    note = note or desk.questions.newest_checkpoint()
    if not note:
        raise NotFound("nothing is signed yet: an export needs a checkpoint, which follows within seconds of the first start")
    return tally, note


def _line(file: BinaryIO, value: Mapping[str, Json]) -> None:
    file.write(canonical(value) + b"\n")


def _row(entry: ExportedEntry, *, with_private: bool) -> list[Json]:
    """The cells of events.csv; what lies in the private part is empty where that is withheld."""
    is_personal = entry.actor_kind in ("patient", "proxy", "external")
    return [
        entry.writer, entry.seq, rfc3339(entry.time), rfc3339(entry.received), entry.source, entry.source_system, entry.event_id,
        entry.action, entry.outcome, entry.actor_id if with_private or not is_personal else "", entry.actor_kind,
        entry.patient_id if with_private else "", entry.device_id, entry.device_kind, entry.ip if with_private else "",
        entry.details if with_private else "", entry.format, entry.leaf.hex(),
    ]  # fmt: skip


def _manifest(
    desk: ExportDesk, request: ExportRequest, tally: Tally, sums: Mapping[str, FileSum], *, export_id: str, made_at: datetime
) -> dict[str, Json]:
    return {
        "format": names.FORMAT,
        "export_id": export_id,
        "made_at": rfc3339(made_at),
        "made_by": request.by,
        "purpose": request.purpose,
        "organisation": desk.organisation,
        "asked": asked(request.wanted),
        "private_part": "given" if request.with_private else "withheld",
        "counts": {
            "events": tally.events,
            "logs": len(tally.logs),
            "redacted": tally.redacted,
            "by_source": dict(sorted(tally.sources.items())),
        },
        "files": {name: {"bytes": one.size, "sha256": one.sha256} for name, one in sums.items()},
    }


def _pretty(value: Mapping[str, Json]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
