"""Checking an audit export with no store and no network: every claim of docs/export-format.md section 4, answered.

    archive, files        export_open.py         the files of the manifest, and no others
    signature, receipt    export_check_notes.py  what the ledger signed, with which of its keys over time
    quorum                                       who has seen it
    events … withheld     export_entries.py      each event, its proof, its private part
    scope, tombstones     export_check_scope.py  that nothing is missing
    since                 here                   that an older checkpoint is of the same history
    later, earlier        export_check_times.py  when it was recorded

It shares no code with what makes exports, nor with verify.py, which answers the same: only the mathematics of `domain/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dashboards.export_check_claims import CANNOT, CLAIMS, Claim, Findings, State, plain
from dashboards.export_check_history import History
from dashboards.export_check_notes import Notes, open_keys, read_policy
from dashboards.export_check_scope import Scope
from dashboards.export_check_times import Times, shown
from dashboards.export_entries import Entries
from dashboards.export_fields import Fields, read_loose_object, read_number, read_path, read_spine_entry, read_text
from dashboards.export_open import FORMAT, MAX_BYTES, NAMES, Bundle
from domain.checkpoint import Head
from domain.errors import IntegrityError, InvalidInput
from domain.keyring import KeyRing
from domain.merkle import EMPTY_ROOT, verify_consistency
from domain.witness_policy import WitnessPolicy

__all__ = ["CANNOT", "CLAIMS", "FORMAT", "MAX_BYTES", "NAMES", "BundleVerdict", "Claim", "State", "verify_bundle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVerdict:
    """What checking found: each claim of `CLAIMS`, settled. `unreadable` says why it is no export at all; then nothing else counts.

    `export_id`, `made_at`, `made_by` and `purpose` are what the manifest says, '?' where it does not.
    """

    claims: Mapping[str, Claim] = field(default_factory=dict)
    unreadable: str = ""
    export_id: str = "?"
    made_at: str = "?"
    made_by: str = "?"
    purpose: str = "?"

    @property
    def exit_code(self) -> int:
        """0 nothing failed, 1 something failed, 2 it is no export that this version can read."""
        if self.unreadable:
            return 2
        return int(any(claim.state is State.FAILED for claim in self.claims.values()))


def verify_bundle(
    path: Path,
    *,
    trust: KeyRing | None = None,
    policy: WitnessPolicy | None = None,
    since: str | None = None,
    consistency: bytes | None = None,
    max_bytes: int = MAX_BYTES,
) -> BundleVerdict:
    """Check an export.

    Without `trust` the keys inside are used, without `policy` the witnesses that the export names: that shows that it fits
    together, not who made it. `since` is a checkpoint (signed note) that the reader kept, `consistency` an answer of
    /v1/consistency about it.
    """
    try:
        return _check(path, trust, policy, _Kept(since, consistency), max_bytes)
    except InvalidInput as error:
        return BundleVerdict(unreadable=plain(str(error)))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the reader kept of an earlier time."""

    checkpoint: str | None
    answer: bytes | None


def _check(path: Path, trust: KeyRing | None, policy: WitnessPolicy | None, kept: _Kept, max_bytes: int) -> BundleVerdict:
    findings, manifest = Findings(), dict[str, object]()
    step = "archive"
    try:
        with Bundle(path, max_bytes=max_bytes) as bundle:
            findings.proven(step, f"{len(NAMES)} files")
            step = "files"
            manifest.update(bundle.loose("manifest.json"))
            _check_files(bundle, manifest, findings)
            step = "signature"
            notes = open_keys(bundle, trust, policy, findings)
            if notes is not None:
                _Check(bundle, manifest, findings, notes, trust is not None, policy).run(kept)
    except IntegrityError as error:
        findings.failed(step, str(error))
    said = {name: plain(str(manifest.get(name, "?"))[:200]) for name in ("export_id", "made_at", "made_by", "purpose")}
    return BundleVerdict(claims=findings.claims(), **said)


def _check_files(bundle: Bundle, manifest: Fields, findings: Findings) -> None:
    listed = manifest.get("files")
    if not isinstance(listed, Mapping) or set(listed) != NAMES - {"manifest.json", "receipt.json"}:
        findings.failed("files", "manifest.json: it does not list exactly the files of an export")
        return
    for name, claimed in sorted(listed.items()):
        try:
            size, digest = bundle.sum(name)
        except IntegrityError as error:
            findings.failed("files", f"{name}: {error}")
            continue
        if claimed != {"bytes": size, "sha256": digest}:
            findings.failed("files", f"{name}: its bytes are not those that the manifest was made for")
    findings.proven("files", f"{len(listed)} files have the size and SHA-256 that the manifest gives")


@dataclass(slots=True)
class _Check:
    """Everything that the keys show. What one step finds does not keep a later one from naming the place."""

    bundle: Bundle
    manifest: Fields
    findings: Findings
    notes: Notes
    has_trusted_keys: bool
    policy: WitnessPolicy | None
    exported_at: str | None = None

    def run(self, kept: _Kept) -> None:
        """All steps, in an order in which each has what it needs."""
        checkpoint = self._open_checkpoint()
        if checkpoint is not None:
            self.notes.check_rotations(checkpoint)
        newest = self._receipt(checkpoint)
        if checkpoint is not None and newest is not None:
            self._say_signature()
        read_policy(self.bundle, self.policy, self.notes)
        history = History(self.findings)
        if checkpoint is not None:
            self._under(checkpoint, history)
        known = [head for head in (checkpoint, newest) if head is not None]
        _Since(self.findings, self.notes, known, history.earlier).settle(kept)
        self.notes.compare(history.earlier)

    def _under(self, checkpoint: Head, history: History) -> None:
        """What is proven under the checkpoint."""
        named = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        if self.manifest.get("ledger") != named:
            self.findings.failed("files", "manifest.json: the checkpoint that it names is not the one in the export")
        history.read(self.bundle, checkpoint)
        self._say_quorum()
        scope = Scope(self.findings, self.bundle, checkpoint, history)
        scope.read(self.manifest)
        entries = Entries(self.bundle, checkpoint, self.findings, scope, history)
        if entries.check(self.manifest.get("counts")):
            scope.settle(entries.checked)
            Times(self.findings, self.notes, entries.logs, self.exported_at, self.policy is not None).check(self.bundle)

    def _open_checkpoint(self) -> Head | None:
        try:
            return self.notes.open(self.bundle.text("checkpoint"))
        except IntegrityError as error:
            self.findings.failed("signature", f"checkpoint: {error}")
            return None

    def _receipt(self, checkpoint: Head | None) -> Head | None:
        """The ledger's entry about this export holds the hash of the manifest, and is under a later checkpoint of the ledger."""
        newest: Head | None = None
        try:
            receipt = self.bundle.loose("receipt.json")
            newest = self._open_receipt(receipt)
            entry = read_spine_entry(receipt, newest, "export")
            recorded, path = read_text(entry.fields, "manifest_sha256"), read_path(receipt, "consistency")
        except IntegrityError as error:
            self.findings.failed("receipt", f"receipt.json: {error}")
            return newest
        if checkpoint is not None and not _is_prefix(checkpoint, newest, path):
            self.findings.failed("receipt", "receipt.json: its checkpoint is not of the same history as the file checkpoint")
        elif self.bundle.sum("manifest.json")[1] != recorded:
            self.findings.failed("receipt", "manifest.json: it is not the manifest that the ledger recorded for this export")
        elif checkpoint is not None:
            self.exported_at = entry.time
            self.findings.proven("receipt", f"its SHA-256 is in entry {entry.index} of the ledger's spine, of {entry.time}")
        return newest

    def _open_receipt(self, receipt: Fields) -> Head:
        try:
            return self.notes.open(read_text(receipt, "checkpoint"))
        except IntegrityError as error:
            self.findings.failed("signature", f"receipt.json: {error}")
            raise

    def _say_signature(self) -> None:
        keys = ", ".join(key.verifier.text for key in self.notes.keys.keys)
        if self.has_trusted_keys:
            self.findings.proven("signature", f"by {keys}")
        else:
            self.findings.open("signature", f"they are signed by what came with the export, {keys}")
            self.findings.open("signature", "whose that is shows only with --trust and a key that you got elsewhere")

    def _say_quorum(self) -> None:
        policy = self.notes.policy
        if policy is None:
            return
        try:
            times = self.notes.witnesses(self.bundle.text("checkpoint"))
        except IntegrityError as error:
            self.findings.failed("quorum", f"checkpoint: {error}")
            return
        names = ", ".join(f"{name} ({shown(moment)})" for name, moment in sorted(times.items())) or "no witness"
        if policy.quorum is None:
            self.findings.open("quorum", "the policy asks for no witness")
        elif not policy.is_met(times):
            self.findings.open("quorum", f"cosigned by {names}: that is no quorum")
        elif self.policy is None:
            self.findings.open("quorum", f"cosigned by {names}: a quorum of the policy that came with the export")
        else:
            self.findings.proven("quorum", f"cosigned by {names}")


@dataclass(frozen=True, slots=True)
class _Since:
    """Whether a checkpoint that the reader kept is of the same history. `known` are those in the export, its own one first."""

    findings: Findings
    notes: Notes
    known: Sequence[Head]
    earlier: Mapping[int, bytes]

    def settle(self, kept: _Kept) -> None:
        """Settle the claim."""
        if kept.checkpoint is None:
            self.findings.open("since", "no older checkpoint was given (--since)")
        elif not self.known:
            self.findings.open("since", "no checkpoint in the export holds, so there is nothing to compare with")
        else:
            try:
                old = self.notes.keys.open(kept.checkpoint)
            except IntegrityError as error:
                self.findings.failed("since", f"the older checkpoint: {error}")
            else:
                self._compare(old, kept.answer)

    def _compare(self, old: Head, answer: bytes | None) -> None:
        roots = {**self.earlier, **{head.size: head.root for head in self.known}, 0: EMPTY_ROOT}
        if roots.get(old.size, old.root) != old.root:
            self.findings.failed("since", f"two roots for one size, {old.size}: the ledger signed two histories")
        elif old.size in roots:
            what = f"its {old.size} entries are the first of the {self.known[0].size} that this export is under"
            self.findings.proven("since", what)
        elif not self._is_answered(old, answer):
            newest = max(head.size for head in self.known)
            if old.size > newest:
                what = f"{old.size} entries, the export's newest {newest}: entries were lost, or it is not older"
                self.findings.failed("since", what)
            else:
                self.findings.open("since", f"{old.size} entries, then {newest}: there is no consistency proof between them")

    def _is_answered(self, old: Head, answer: bytes | None) -> bool:
        """Whether the ledger's answer about consistency settles it."""
        if answer is None:
            return False
        try:
            fields = read_loose_object(answer, "the answer")
            sizes, path = (read_number(fields, "from_size"), read_number(fields, "to_size")), read_path(fields, "path")
        except IntegrityError as error:
            self.findings.open("since", f"the answer about consistency cannot be read: {error}")
            return False
        for head in self.known:
            first, second = sorted((old, head), key=lambda one: one.size)
            if sizes != (first.size, second.size):
                continue
            if _is_prefix(first, second, path):
                what = f"its {old.size} entries and the {head.size} of this export are of one history"
                self.findings.proven("since", what)
            else:
                what = f"the answer about consistency does not lead from {first.size} to {second.size} entries"
                self.findings.failed("since", what)
            return True
        self.findings.open("since", "the answer about consistency is for other checkpoints than these")
        return False


def _is_prefix(old: Head, new: Head, path: Sequence[bytes]) -> bool:
    return verify_consistency(old.size, new.size, path, old.root, new.root)
