"""Checking timestamps.jsonl: between which moments the events were recorded, by the clocks of others.

A log is not later than the cosignatures over a checkpoint that commits to it, and its events are not earlier than the cosignatures
over a checkpoint that an entry in front of them names by its hash. A quorum of the policy has to have cosigned either time.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from dashboards.export_check_claims import Findings, Misfit
from dashboards.export_check_notes import Notes, first_quorum, kept_lines, last_quorum
from dashboards.export_entries import ProvenLog, commits
from dashboards.export_fields import (
    Fields,
    QuotedEntry,
    line_kind,
    read_fields,
    read_hex,
    read_number,
    read_object,
    read_path,
    read_spine_entry,
    read_text,
)
from dashboards.export_open import Bundle
from domain.clock import microseconds, parse_rfc3339
from domain.entry import chain, private_digest
from domain.errors import IntegrityError
from domain.merkle import leaf_hash

FILE = "timestamps.jsonl"

CLOCKS_DIFFER = timedelta(hours=1)
"""By how much a witness's clock and the ledger's may differ before one of them must be wrong."""

_LAST_SECOND = 253_402_300_799
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Times:
    """Settles the claims `later` and `earlier`. `exported_at` is the time of the receipt's entry, where that holds."""

    findings: Findings
    notes: Notes
    logs: Mapping[str, ProvenLog]
    exported_at: str | None
    is_trusted: bool
    _covers: dict[str, int] = field(default_factory=dict)
    _after: dict[str, int] = field(default_factory=dict)

    def check(self, bundle: Bundle) -> None:
        """Every line, and then what is shown of each log."""
        for line, text in kept_lines(bundle, FILE, "later", self.findings):
            claim = "later"
            try:
                fields = read_object(text, "the line")
                if line_kind(fields, "covers", "after") == "covers":
                    self._read_covers(fields)
                else:
                    claim = "earlier"
                    self._read_after(fields)
            except IntegrityError as error:
                self.findings.misfit(Misfit(str(error), claim=claim, file=FILE, line=line))
        self._settle("later", self._covers)
        self._settle("earlier", self._after)
        slack = int(CLOCKS_DIFFER.total_seconds())
        for origin, log in sorted(self.logs.items()):
            before, after = self._covers.get(origin), self._after.get(origin)
            if log.first_seq is not None and before and after and after > before + slack:
                self.findings.failed("earlier", f"{origin}: not earlier than {shown(after)}, and not later than {shown(before)}")

    def _read_covers(self, fields: Fields) -> None:
        """The log as it is here was there when the note was signed."""
        origin, log, note, token = self._common(fields, "covers")
        head, times = self.notes.open(note), self.notes.witnesses(note)
        entry = read_spine_entry(fields, head)
        is_same = entry.body == log.entry.body or entry.heads_root == leaf_hash(log.head.line.encode())
        if not is_same and not ("heads_path" in fields and commits(fields, entry, log.head)):
            raise IntegrityError("the spine entry does not commit to the log as it is here")
        moment = None if self.notes.policy is None else first_quorum(times, self.notes.policy)
        if moment is not None:
            self._check_dates(moment, entry)
            self._covers[origin] = min(moment, self._covers.get(origin) or moment)
        elif token:
            self._covers.setdefault(origin, 0)

    def _read_after(self, fields: Fields) -> None:
        """An entry of the log in front of the events names the note, so it was written after the note was there."""
        origin, log, note, token = self._common(fields, "after")
        self.notes.open(note)
        times = self.notes.witnesses(note)
        details = read_fields(read_object(_anchor(fields, log), "the private part"), "details")
        is_note = details.get("note_sha256") == sha256(note.encode()).hexdigest()
        if not is_note and (not token or details.get("token_sha256") != sha256(token).hexdigest()):
            raise IntegrityError(f"entry {read_number(fields, 'seq')} names neither this note nor this token")
        moment = last_quorum(times, self.notes.policy) if is_note and self.notes.policy is not None else None
        if moment is not None:
            self._after[origin] = max(moment, self._after.get(origin) or moment)
        elif token:
            self._after.setdefault(origin, 0)

    def _common(self, fields: Fields, kind: str) -> tuple[str, ProvenLog, str, bytes]:
        origin = read_text(fields, kind)
        log = self.logs.get(origin)
        if log is None or log.first_seq is None:
            raise IntegrityError("no event of this log is here")
        note, token = read_text(fields, "note"), fields.get("token")
        try:
            der = b"" if token is None else base64.b64decode(read_text(fields, "token"), validate=True)
        except (IntegrityError, ValueError):
            raise IntegrityError("token is neither base64 nor null") from None
        return origin, log, note, der

    def _check_dates(self, seconds: int, entry: QuotedEntry) -> None:
        """A cosignature is as old as it can be: it follows the entry that it covers, and the export was made after it."""
        cosigned, slack = seconds * 1_000_000, CLOCKS_DIFFER // timedelta(microseconds=1)
        if cosigned < microseconds(parse_rfc3339(entry.time)) - slack:
            what = f"are dated before the entry that they cover, of {entry.time}"
        elif self.exported_at is not None and cosigned > microseconds(parse_rfc3339(self.exported_at)) + slack:
            what = f"are dated after the export was made, {self.exported_at}"
        else:
            return
        raise IntegrityError(f"the cosignatures of {shown(seconds)} {what}")

    def _settle(self, claim: str, found: Mapping[str, int]) -> None:
        """Say what was shown of each log; 0 stands for a time stamp that somebody else has to check."""
        logs = [origin for origin, log in sorted(self.logs.items()) if log.first_seq is not None]
        say = self.findings.proven if self.is_trusted else self.findings.open
        for origin in logs:
            match found.get(origin):
                case None:
                    self.findings.open(claim, f"{origin}: no quorum of witnesses shows it")
                case 0:
                    self.findings.open(claim, f"{origin}: only a time stamp, which `openssl ts -verify` checks")
                case moment:
                    say(claim, f"{origin}: not {claim} than {shown(moment)}")
        if not logs:
            self.findings.open(claim, "there is no event here")
        elif not self.is_trusted and any(found.values()):
            self.findings.open(claim, "the witnesses are those of the policy that came with the export (--policy)")


def shown(seconds: int) -> str:
    """A cosignature's time for people."""
    if seconds > _LAST_SECOND:
        return f"{seconds} seconds after 1970"
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"


def _anchor(fields: Fields, log: ProvenLog) -> bytes:
    """The private part of a `time_anchor` entry of this log, in front of its events. Raises IntegrityError."""
    seq, index, body = read_number(fields, "seq"), read_number(fields, "index"), read_text(fields, "body").encode()
    leaf = chain(read_hex(fields, "previous"), body)
    tile, tile_root = read_number(fields, "tile"), read_hex(fields, "tile_root")
    where = ProvenLog(head=log.head, writer=log.writer, entry=log.entry)
    where.enter_tile(tile, tile_root, read_path(fields, "tile_path"))
    if not where.holds(leaf, index, read_path(fields, "path")):
        raise IntegrityError(f"entry {seq} is not in the ledger as it is given here")
    said, private = read_object(body, "the body"), read_text(fields, "private").encode()
    if (said.get("writer"), said.get("seq"), said.get("action")) != (log.writer, seq, "time_anchor"):
        raise IntegrityError(f"entry {seq} is no time_anchor event of this place")
    if seq - index != log.offset or log.first_seq is None or seq >= log.first_seq:
        raise IntegrityError(f"entry {seq} does not stand in front of the events of its log")
    if private_digest(private, read_hex(fields, "salt", 16)).hex() != said.get("private_digest"):
        raise IntegrityError(f"the private part of entry {seq} is not the one that was hashed")
    return private
