"""The audit export: what a regulator gets, with everything needed to check it and nothing needed from us.

Steps, and what a stop before the next one leaves. The export is in the ledger before anyone has it.

    (1) the request is an event in the ledger, durable          an export that was asked for and not given
    (2) a `heads` entry covers everything stored by now         the same
    (3) `index` entries of the open logs; witnesses are asked   the same
    (4) events and proofs, streamed to a private folder         the same, and a folder that the next export removes
    (5) completeness, report, README, manifest                  the same
    (6) the spine commits to the manifest's hash, signed        an export that is known to the ledger and not given
    (7) the zip is written, encrypted, and takes its name       given
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import orjson

from dashboards import export_format as names
from dashboards.export_completeness import WhatIsMissing, Witnesses, what_is_missing
from dashboards.export_csv import CSV_HEADER
from dashboards.export_history import write_history
from dashboards.export_readme import readme
from dashboards.export_report import export_document
from dashboards.export_request import ExportRequest, asked, asked_words, check_request, request_event
from dashboards.export_scope import Extent, write_scope
from dashboards.export_stream import EntryStream, Targets
from dashboards.export_tally import Tally
from dashboards.export_times import write_times
from dashboards.export_zip import FileSum, encrypt, file_sum, give, read_recipient, write_zip
from dashboards.reports.as_html import render_html
from dashboards.reports.as_pdf import render_pdf
from dashboards.reports.document import NAMELESS, LedgerState
from domain.checkpoint import Head
from domain.clock import Clock, rfc3339
from domain.errors import IntegrityError, InvalidInput
from domain.event import AuditEvent
from domain.json import Json
from domain.keyring import KeyRing
from domain.witness_policy import WitnessPolicy
from store.export_logs import subject_of
from store.export_spine import ExportSpine
from store.export_times import Attested, ExportTimes
from store.exports import ExportQuestions
from store.logs import LogRecord
from store.spine import SpineEntry


class Committing(Protocol):
    """What commits to the ledger and signs (`store.keeper.Keeper`)."""

    def checkpoint(self) -> SpineEntry: ...

    def index(self, record: LogRecord, size: int) -> SpineEntry: ...

    def commit(self, kind: str, fields: Mapping[str, Json]) -> SpineEntry: ...


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

    `record` stores an event durably (`Ledger.append`), `completeness_verdict` gives the second verdict as (verdict, sentences).
    `attest` asks the witnesses and the time-stamp authority about the newest checkpoint, and returns when they had their time.
    `policy` says which witnesses have to cosign; None, or one that names nobody, where there are none.
    """

    questions: ExportQuestions
    clock: Clock
    new_id: Callable[[], str]
    record: Callable[[AuditEvent], object]
    keeper: Committing
    keys: KeyRing
    completeness_verdict: Callable[[], tuple[str, Sequence[str]]]
    organisation: str
    zone: ZoneInfo
    policy: WitnessPolicy | None = None
    attest: Callable[[], object] = lambda: None

    @property
    def policy_text(self) -> str:
        """The policy file that goes with an export; without witnesses it names the log and asks for nobody."""
        if self.policy is None or not (self.policy.witnesses or self.policy.logs):
            return f"log {self.keys.newest.text}\nquorum none\n"
        return self.policy.text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """The ledger as the export sees it: its checkpoint, the spine under it, and the logs as of the `heads` entry."""

    own: Attested
    head: Head
    spine: ExportSpine
    extent: Extent
    times: ExportTimes

    @property
    def as_of(self) -> datetime:
        return self.extent.heads.time


def export_bundle(desk: ExportDesk, request: ExportRequest, out: Path) -> ExportGiven:
    """Make the export and put it at `out`, which must not exist.

    Raises InvalidInput for a request that is refused, IntegrityError where the store is not what was signed. Memory does not grow
    with the number of events; beside `out` it takes the size of the uncompressed files for a while.
    """
    check_request(request, out)
    recipient = None if request.recipient is None else read_recipient(request.recipient)
    since = None if request.since_checkpoint is None else _since(desk, request.since_checkpoint)
    export_id, made_at = desk.new_id(), desk.clock()
    # (1)
    desk.record(request_event(export_id, made_at, request))
    # (2) and (3)
    standing = _stand(desk, request)
    folder = out.with_name(f".{out.name}.making")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "keys").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    try:
        files = {name: folder / name for name in names.ORDER}
        # (4)
        tally = _stream(desk, request, standing, files, sizes=set() if since is None else {since.size})
        # (5)
        manifest = _describe(desk, request, standing, tally, files, export_id=export_id, made_at=made_at)
        files[names.MANIFEST].write_bytes(_pretty(manifest))
        digest = file_sum(files[names.MANIFEST]).sha256
        # (6)
        entry = desk.keeper.commit("export", {"export_id": export_id, "manifest_sha256": digest, "events": tally.events})
        files[names.RECEIPT].write_bytes(_pretty(_receipt(desk, standing, entry)))
        # (7)
        packed = folder / "export.zip"
        write_zip(files, names.ORDER, packed)
        if recipient is not None:
            sealed = folder / "export.age"
            encrypt(packed, sealed, recipient)
            packed = sealed
        give(packed, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ExportGiven(export_id=export_id, path=out, events=tally.events, manifest_sha256=digest, spine_seq=entry.seq)


def _since(desk: ExportDesk, note: str) -> Head:
    """The head of an earlier checkpoint that this ledger signed and still continues."""
    try:
        head = desk.keys.open(note)
    except IntegrityError as error:
        raise InvalidInput(f"the checkpoint given with --since is none of this ledger: {error}") from None
    newest = desk.questions.signed_size()
    if head.size > newest or desk.questions.spine(newest).root(head.size) != head.root:
        raise IntegrityError(
            "the checkpoint given with --since was signed by this ledger, which is another by now: it was rolled back or changed; "
            "run phitrail verify, and keep that checkpoint"
        )
    return head


def _stand(desk: ExportDesk, request: ExportRequest) -> _Standing:
    """Steps (2) and (3): fix what the export is as of, and get it signed."""
    # (2)
    newest = covered = desk.keeper.checkpoint()
    subject = subject_of(request.wanted)
    indexed: dict[str, int] = {}
    if subject is not None:
        heads = desk.questions.spine(covered.seq + 1).quote(covered.seq)
        for record, size in desk.questions.open_logs(heads):
            # (3)
            newest = desk.keeper.index(record, size)
            indexed[record.origin] = newest.seq
    desk.attest()
    own = desk.questions.checkpoint(newest.seq + 1, desk.policy)
    spine = desk.questions.spine(own.size)
    heads = spine.quote(covered.seq)
    logs = desk.questions.logs(spine, heads)
    return _Standing(
        own=own,
        head=desk.keys.open(own.note),
        spine=spine,
        extent=Extent(
            heads=heads,
            seals=spine.seals(heads.number("last_seal")),
            logs=logs,
            reached=desk.questions.reached(logs, request.wanted, subject),
            subject=subject,
            indexed={origin: spine.quote(seq) for origin, seq in indexed.items()},
        ),
        times=desk.questions.times(spine, desk.policy),
    )


def _stream(desk: ExportDesk, request: ExportRequest, standing: _Standing, files: Mapping[str, Path], sizes: set[int]) -> Tally:
    """Every matching entry once, to four files at a time; then what they are measured against."""
    tally, extent, spine = Tally(zone=desk.zone), standing.extent, standing.spine
    entries = desk.questions.entries(request.wanted, extent.subject)
    with (
        files[names.EVENTS].open("wb") as events,
        files[names.EVENTS_CSV].open("wb") as rows,
        files[names.PROOFS].open("wb") as proofs,
        files[names.HISTORY].open("wb") as history,
    ):
        rows.write(CSV_HEADER)
        write_history(history, spine, spine.earlier_sizes(standing.as_of) | sizes)
        stream = EntryStream(
            entries=entries,
            redactions=desk.questions.redactions(spine),
            targets=Targets(events=events, rows=rows, proofs=proofs, history=history),
            tally=tally,
            with_private=request.with_private,
            shared=desk.questions.shared if request.wanted.patient_id else None,
        )
        for log in extent.reached:
            stream.write(log)
    with files[names.SCOPE].open("wb") as scope:
        tally.outside = write_scope(scope, extent, desk.questions.index_trees(), entries)
    with files[names.TIMESTAMPS].open("wb") as moments:
        write = partial(write_times, moments, times=standing.times, spine=spine, entries=entries, own=standing.own)
        for log in extent.reached:
            if log.head.origin in tally.first_seqs:
                write(log, tally.first_seqs[log.head.origin])
    return tally


def _describe(
    desk: ExportDesk,
    request: ExportRequest,
    standing: _Standing,
    tally: Tally,
    files: Mapping[str, Path],
    *,
    export_id: str,
    made_at: datetime,
) -> Mapping[str, Json]:
    """Everything that is said about the entries. Returns the manifest."""
    missing = _missing(desk, request, standing, tally)
    files[names.CHECKPOINT].write_text(standing.own.note, encoding="utf-8")
    files[names.POLICY].write_text(desk.policy_text, encoding="utf-8")
    files[names.KEYS].write_text(desk.keys.text, encoding="utf-8")
    files[names.COMPLETENESS].write_bytes(_pretty(missing.to_json()))
    document = export_document(
        tally,
        missing,
        organisation=desk.organisation or NAMELESS,
        zone=desk.zone,
        asked=asked_words(request, export_id, desk.zone),
        made_at=made_at,
        with_private=request.with_private,
        # Cosignatures are kilobytes that nobody types in from paper: the file `checkpoint` has them.
        ledger=LedgerState(note=standing.spine.note(standing.own.size)),
    )
    files[names.REPORT_HTML].write_bytes(render_html(document))
    files[names.REPORT_PDF].write_bytes(render_pdf(document))
    explained = readme(
        organisation=desk.organisation or NAMELESS,
        by=request.by,
        purpose=request.purpose,
        export_id=export_id,
        made_at=made_at,
        as_of=standing.as_of,
        events=tally.events,
        with_private=request.with_private,
        keys=desk.keys.text,
    )
    files[names.README].write_text(explained, encoding="utf-8")
    files[names.VERIFY].write_bytes(resources.files("dashboards").joinpath("export_verify.py").read_bytes())
    sums = {name: file_sum(files[name]) for name in names.LISTED}
    head = standing.head
    return {
        "format": names.FORMAT,
        "export_id": export_id,
        "made_at": rfc3339(made_at),
        "made_by": request.by,
        "purpose": request.purpose,
        "organisation": desk.organisation,
        "asked": asked(request.wanted),
        "private_part": "given" if request.with_private else "withheld",
        "counts": _counts(tally),
        "files": _sums(sums),
        "ledger": {"origin": head.origin, "size": head.size, "root": head.root.hex()},
    }


def _missing(desk: ExportDesk, request: ExportRequest, standing: _Standing, tally: Tally) -> WhatIsMissing:
    verdict, findings = desk.completeness_verdict()
    signers = standing.times.signers(standing.own.note)
    policy = desk.policy
    return what_is_missing(
        desk.questions,
        request.wanted,
        tally,
        logs=standing.extent.logs,
        verdict=verdict,
        findings=findings,
        as_of=standing.as_of,
        witnesses=Witnesses(
            quorum=None if policy is None else policy.quorum,
            cosigned_by=signers,
            is_met=policy is not None and policy.quorum is not None and policy.is_met(signers),
        ),
    )


def _receipt(desk: ExportDesk, standing: _Standing, entry: SpineEntry) -> Mapping[str, Json]:
    spine = desk.questions.spine(entry.seq + 1)
    grown = spine.earlier(standing.spine.size)
    quoted = names.spine_fields(spine.quote(entry.seq))
    return {**quoted, "checkpoint": entry.checkpoint, "consistency": names.hexes(grown.path)}


def _counts(tally: Tally) -> Mapping[str, Json]:
    return {
        "events": tally.events,
        "logs": len(tally.logs),
        "given": tally.given,
        "withheld": tally.withheld,
        "shared_records": tally.shared,
        "redacted": tally.redacted,
        "outside": tally.outside,
        "by_source": dict(sorted(tally.sources.items())),
    }


def _sums(sums: Mapping[str, FileSum]) -> Mapping[str, Json]:
    return {name: {"bytes": one.size, "sha256": one.sha256} for name, one in sums.items()}


def _pretty(value: Mapping[str, Json]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
