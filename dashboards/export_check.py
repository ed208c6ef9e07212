"""Checking an audit export with no store and no network: the steps of docs/export-format.md section 4, in their order.

    (1) files: every hash in the manifest, no other files        (5) logs: each head under the checkpoint
    (2) checkpoint: signed by the ledger's key                   (6) events: leaf and inclusion of each
    (3) the key: the trusted one, where one was given            (7) private parts: each under the digest in its event
    (4) the manifest itself: the ledger signed its hash          (8) order and counts: none twice, as many as the manifest says

It shares no code with what makes exports: only the mathematics of `domain/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dashboards.export_entries import Entries, Misfit
from dashboards.export_fields import read_hex, read_number, read_object, read_path, read_text
from dashboards.export_open import MAX_BYTES, NAMES, Bundle
from domain.checkpoint import Head, parse_checkpoint
from domain.entry import chain
from domain.errors import IntegrityError, InvalidInput
from domain.merkle import verify_inclusion
from domain.note import Verifier, open_note

FORMAT = "phitrail-export-1"


class BundleState(StrEnum):
    """INTACT: everything fits. CHANGED: something does not. UNREADABLE: it is no export that this version can read."""

    INTACT = "intact"
    CHANGED = "changed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleProblem:
    """One thing that does not fit: in which file, at which line from 1 (None: the file as a whole), and what."""

    file: str
    line: int | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVerdict:
    """What checking found. `key` is the verifier key that signed; unless `is_trusted` it came with the export itself.

    `export_id`, `made_at`, `made_by` and `purpose` are what the manifest says; `events` is how many were checked.
    """

    state: BundleState
    problems: tuple[BundleProblem, ...]
    events: int = 0
    key: str = ""
    is_trusted: bool = False
    spine_size: int = 0
    export_id: str = ""
    made_at: str = ""
    made_by: str = ""
    purpose: str = ""

    @property
    def exit_code(self) -> int:
        """0 intact, 1 changed, 2 could not tell."""
        return {BundleState.INTACT: 0, BundleState.CHANGED: 1, BundleState.UNREADABLE: 2}[self.state]


def verify_bundle(path: Path, trust: Verifier | None = None, *, max_bytes: int = MAX_BYTES) -> BundleVerdict:
    """Check an export. Without `trust` the key inside is used: that shows that it fits together, not who made it."""
    try:
        with Bundle(path, max_bytes=max_bytes) as bundle:
            return _Check(bundle, trust).run()
    except InvalidInput as error:
        return _refused(BundleState.UNREADABLE, error)
    except IntegrityError as error:
        return _refused(BundleState.CHANGED, error)


def _refused(state: BundleState, error: Exception) -> BundleVerdict:
    return BundleVerdict(state=state, problems=(BundleProblem(file="", line=None, what=str(error)),))


@dataclass(slots=True)
class _Check:
    bundle: Bundle
    trust: Verifier | None
    problems: list[BundleProblem] = field(default_factory=list)

    def run(self) -> BundleVerdict:
        """Steps (1) to (8). What one step finds does not keep a later one from naming the place."""
        manifest = read_object(self.bundle.text("manifest.json"), "manifest.json")
        if manifest.get("format") != FORMAT:
            raise InvalidInput(f"the export has the format {str(manifest.get('format'))[:40]!r}; this version reads {FORMAT}")
        # (1)
        self._files(manifest)
        # (2)
        key = self.bundle.text("keys/ledger.vkey").decode("utf-8", "replace").strip()
        verifier = self.trust or Verifier.parse(key)
        spine = self._checkpoint(verifier)
        # (3)
        if key != verifier.text:
            self._problem("keys/ledger.vkey", None, "the key in the export is not the trusted one")
        # (4)
        self._manifest(verifier)
        # (5) to (8)
        events = self._entries(spine, manifest.get("counts")) if spine is not None else 0
        return BundleVerdict(
            state=BundleState.CHANGED if self.problems else BundleState.INTACT,
            problems=tuple(self.problems),
            events=events,
            key=verifier.text,
            is_trusted=self.trust is not None,
            spine_size=spine.size if spine else 0,
            **{name: str(manifest.get(name, "")) for name in ("export_id", "made_at", "made_by", "purpose")},
        )

    def _files(self, manifest: Mapping[str, object]) -> None:
        listed = manifest.get("files")
        if not isinstance(listed, Mapping) or set(listed) != NAMES - {"manifest.json", "receipt.json"}:
            self._problem("manifest.json", None, "it does not list exactly the files of an export")
            return
        for name, claimed in listed.items():
            try:
                size, digest = self.bundle.sum(name)
            except IntegrityError as error:
                self._problem(name, None, str(error))
                continue
            if claimed != {"bytes": size, "sha256": digest}:
                self._problem(name, None, "its bytes are not those that the manifest was made for")

    def _checkpoint(self, verifier: Verifier) -> Head | None:
        """The signed head of the spine, or None where nothing can be checked under it."""
        try:
            return _signed(self.bundle.text("checkpoint").decode("utf-8", "replace"), verifier)
        except IntegrityError as error:
            self._problem("checkpoint", None, str(error))
            return None

    def _manifest(self, verifier: Verifier) -> None:
        try:
            _, digest = self.bundle.sum("manifest.json")
            recorded = _recorded_digest(read_object(self.bundle.text("receipt.json"), "receipt.json"), verifier)
        except IntegrityError as error:
            self._problem("receipt.json", None, str(error))
            return
        if recorded != digest:
            self._problem("manifest.json", None, "it is not the manifest that the ledger recorded for this export")

    def _entries(self, spine: Head, counts: object) -> int:
        entries = Entries(self.bundle, spine)
        try:
            entries.check()
        except Misfit as error:
            self._problem(error.file, error.line, str(error))
        except IntegrityError as error:
            self._problem("events.jsonl", None, str(error))
        else:
            claimed = counts.get("events") if isinstance(counts, Mapping) else None
            if claimed != entries.checked:
                self._problem("events.jsonl", None, f"it has {entries.checked} events; the manifest says {claimed}")
        return entries.checked

    def _problem(self, file: str, line: int | None, what: str) -> None:
        self.problems.append(BundleProblem(file=file, line=line, what=what))


def _recorded_digest(receipt: Mapping[str, object], verifier: Verifier) -> str:
    """(4) The manifest hash in the spine entry of the receipt, after checking that the ledger signed it. Raises IntegrityError."""
    body = read_text(receipt, "spine_body").encode()
    spine = _signed(read_text(receipt, "checkpoint"), verifier)
    leaf = chain(read_hex(receipt, "spine_previous"), body)
    if not verify_inclusion(leaf, read_number(receipt, "spine_index"), spine.size, read_path(receipt, "spine_path"), spine.root):
        raise IntegrityError("the ledger's entry about this export is not under its checkpoint")
    entry = read_object(body, "the ledger's entry about this export")
    fields = entry.get("fields")
    if entry.get("kind") != "export" or not isinstance(fields, Mapping):
        raise IntegrityError("the ledger's entry in the receipt is not about an export")
    return read_text(fields, "manifest_sha256")


def _signed(note: str, verifier: Verifier) -> Head:
    head = parse_checkpoint(open_note(note, [verifier]).text)
    if head.origin != verifier.name:
        raise IntegrityError("the checkpoint is of another log than the key")
    return head
