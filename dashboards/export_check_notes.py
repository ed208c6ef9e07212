"""The signed notes of an export: which keys of the ledger signed them, over time, and which witnesses have seen them.

An export may hold signatures by keys that nobody trusts any more, or does not know yet. What counts is the keys that the reader
trusts, and those that rotations in the export join to them; without trusted ones it is the newest key in the export itself, and
then nothing is said about whose that is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

from dashboards.export_check_claims import Findings, Misfit
from dashboards.export_fields import Fields, read_number, read_object, read_spine_entry, read_text
from dashboards.export_open import Bundle
from domain.checkpoint import Head, parse_checkpoint
from domain.errors import IntegrityError, InvalidInput
from domain.keyring import KeyRing, RangedKey
from domain.note import Signature, Verifier, split_note
from domain.witness_policy import WitnessPolicy

MAX_KEPT = 1 << 20
"""Lines of which something stays in memory: logs, seals, earlier checkpoints."""

MAX_KEPT_BYTES = 1 << 30
"""Bytes of such lines in one file."""


@dataclass(slots=True)
class Notes:
    """Opens notes, and remembers what was signed for which size: two roots for one size are two histories."""

    findings: Findings
    keys: KeyRing
    policy: WitnessPolicy | None
    roots: dict[int, bytes] = field(default_factory=dict)
    rotated: Sequence["Rotation"] = ()
    _opened: dict[bytes, Head] = field(default_factory=dict)
    _seen: dict[bytes, Mapping[str, int]] = field(default_factory=dict)

    def open(self, note: str) -> Head:
        """A checkpoint of this ledger. Raises IntegrityError where the keys for its size have not signed it."""
        name = sha256(note.encode()).digest()
        if name not in self._opened:
            self._opened[name] = self.keys.open(note)
            self.sign(self._opened[name])
        return self._opened[name]

    def sign(self, head: Head) -> None:
        """Remember that this was signed."""
        if self.roots.setdefault(head.size, head.root) != head.root:
            self.two_histories(head.size)

    def check_rotations(self, checkpoint: Head) -> None:
        """A key that changed later than the export's checkpoint is in no export that was made then."""
        for rotation in self.rotated:
            if rotation.size > checkpoint.size:
                what = "the key changed after the checkpoint: no export of then knew of it"
                self.findings.misfit(Misfit(what, claim="signature", file="history.jsonl", line=rotation.line))

    def compare(self, earlier: Mapping[int, bytes]) -> None:
        """Hold what was signed against what the ledger had at these sizes."""
        for size, root in self.roots.items():
            if earlier.get(size, root) != root:
                self.two_histories(size)

    def two_histories(self, size: int) -> None:
        """No honest log signs two roots for one size."""
        self.findings.failed("signature", f"the ledger signed two histories: there are two roots for one size, {size}")

    def witnesses(self, note: str) -> Mapping[str, int]:
        """When witnesses of the policy cosigned, by their name in it. Raises IntegrityError where one does not fit the note."""
        name = sha256(note.encode()).digest()
        if name not in self._seen:
            found = [] if self.policy is None else self.policy.witnesses_that_signed(note)
            self._seen[name] = {witness.name: cosignature.timestamp for witness, cosignature in found}
        return self._seen[name]


def first_quorum(times: Mapping[str, int], policy: WitnessPolicy) -> int | None:
    """When a quorum had cosigned for the first time: the latest of its times."""
    return _quorum(sorted((moment, name) for name, moment in times.items()), policy)


def last_quorum(times: Mapping[str, int], policy: WitnessPolicy) -> int | None:
    """What a quorum agrees to have come after: the earliest of the times of the latest quorum."""
    return _quorum(sorted(((moment, name) for name, moment in times.items()), reverse=True), policy)


def _quorum(times: Sequence[tuple[int, str]], policy: WitnessPolicy) -> int | None:
    if policy.quorum is None:
        return None
    seen: list[str] = []
    for moment, name in times:
        seen.append(name)
        if policy.is_met(seen):
            return moment
    return None


def open_keys(bundle: Bundle, trust: KeyRing | None, policy: WitnessPolicy | None, findings: Findings) -> Notes | None:
    """The keys in force, and a policy. None where there is no key at all."""
    listed: KeyRing | None = None
    try:
        listed = KeyRing.parse(bundle.text("keys/ledger.keys"))
    except IntegrityError:
        findings.failed("signature", "keys/ledger.keys: it is no list of verifier keys")
    if trust is None and listed is None:
        return None
    start = trust or KeyRing.of(listed.newest) if listed is not None else trust
    assert start is not None
    notes = Notes(findings, start, policy)
    notes.rotated = list(_rotations(bundle, notes))
    notes.keys = _joined(start, notes.rotated, findings)
    for number, key in enumerate(listed.keys if listed is not None else (), 1):
        # An export of before a rotation says of its last key that it signs still.
        is_last = listed is not None and number == len(listed.keys)
        is_known = any(key == one or (is_last and key == RangedKey(one.verifier, one.from_size)) for one in notes.keys.keys)
        if not is_known:
            what = "the key is not one that is trusted, or that a rotation leads to, with these sizes"
            findings.misfit(Misfit(what, claim="signature", file="keys/ledger.keys", line=number))
    return notes


def read_policy(bundle: Bundle, trusted: WitnessPolicy | None, notes: Notes) -> None:
    """The policy that counts: the one that the reader trusts, else the one in the export."""
    given: WitnessPolicy | None = None
    try:
        given = WitnessPolicy.parse(bundle.text("policy.tlog-policy"))
    except (InvalidInput, IntegrityError):
        notes.findings.failed("quorum", "policy.tlog-policy: it is no witness policy")
    notes.policy = trusted or given
    logs = [] if notes.policy is None else [log.verifier for log in notes.policy.logs]
    if logs and not any(key.verifier in logs for key in notes.keys.keys):
        notes.findings.failed("quorum", "the policy is about other logs than this ledger")


def kept_lines(bundle: Bundle, name: str, claim: str, findings: Findings) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that is not large, with their numbers. One that is too large, or damaged, fails the claim."""
    size = 0
    try:
        for number, line in enumerate(bundle.lines(name), 1):
            size += len(line)
            if number > MAX_KEPT or size > MAX_KEPT_BYTES:
                what = f"it has more than {MAX_KEPT} lines, or {MAX_KEPT_BYTES} bytes"
                findings.misfit(Misfit(what, claim=claim, file=name))
                return
            yield number, line
    except IntegrityError as error:
        findings.misfit(Misfit(str(error), claim=claim, file=name))


@dataclass(frozen=True, slots=True)
class Rotation:
    """A `key-rotate` entry at place `size` − 1, under a checkpoint of that size that both keys signed."""

    line: int
    size: int
    previous: Verifier
    successor: Verifier


def _rotations(bundle: Bundle, notes: Notes) -> Iterator[Rotation]:
    for line, text in kept_lines(bundle, "history.jsonl", "signature", notes.findings):
        if b'"rotation":' not in text:
            continue
        try:
            fields = read_object(text, "the line")
        except IntegrityError:
            continue  # named where the rest of the file is read
        if "rotation" not in fields:
            continue
        try:
            yield _rotation(fields, line, notes)
        except IntegrityError as error:
            notes.findings.misfit(Misfit(str(error), claim="signature", file="history.jsonl", line=line))


def _rotation(fields: Fields, line: int, notes: Notes) -> Rotation:
    text, signatures = split_note(read_text(fields, "note"))
    head = parse_checkpoint(text)
    entry = read_spine_entry(fields, head, "key-rotate")
    try:
        previous, successor = (Verifier.parse(read_text(entry.fields, name)) for name in ("previous", "key"))
    except IntegrityError:
        raise IntegrityError("the key-rotate entry does not name two verifier keys") from None
    if {previous.name, successor.name} != {head.origin} or previous == successor:
        raise IntegrityError("the key-rotate entry does not lead from one key of this log to another")
    if entry.index != read_number(fields, "rotation") or entry.index + 1 != head.size:
        raise IntegrityError("the checkpoint of the rotation is not the one that ends in its entry")
    if not (_signed(text, signatures, previous) and _signed(text, signatures, successor)):
        raise IntegrityError("the checkpoint of the rotation is not signed by both keys")
    notes.sign(head)
    return Rotation(line, head.size, previous, successor)


def _signed(text: str, signatures: Sequence[Signature], key: Verifier) -> bool:
    found = [one.payload for one in signatures if (one.name, one.key_id) == (key.name, key.key_id)]
    if not all(key.verify(text, payload) for payload in found):
        raise IntegrityError(f"the signature of {key.name} does not fit the note")
    return bool(found)


def _joined(ring: KeyRing, rotations: Sequence[Rotation], findings: Findings) -> KeyRing:
    """The keys that rotations lead to from `ring`, later and earlier. A rotation that leads nowhere is a finding."""
    waiting = sorted(rotations, key=lambda one: one.size)
    while True:
        loose = []
        for rotation in waiting:
            longer = _longer(ring, rotation)
            if longer is None:
                loose.append(rotation)
            ring = longer or ring
        if len(loose) == len(waiting):
            break
        waiting = loose
    for rotation in waiting:
        what = "the rotation does not join the keys that are trusted"
        findings.misfit(Misfit(what, claim="signature", file="history.jsonl", line=rotation.line))
    return ring


def _longer(ring: KeyRing, rotation: Rotation) -> KeyRing | None:
    """The ring with a rotation at its end or its beginning; None where it does not belong there (yet)."""
    size, keys = rotation.size, list(ring.keys)
    oldest, newest = keys[0], keys[-1]
    for one, following in pairwise(keys):
        if (one.verifier, following.verifier, one.to_size) == (rotation.previous, rotation.successor, size):
            return ring
    if newest.verifier == rotation.previous and newest.to_size in (None, size) and newest.from_size < size:
        ended = RangedKey(newest.verifier, newest.from_size, size)
        return KeyRing((*keys[:-1], ended, RangedKey(rotation.successor, size)))
    if (
        oldest.verifier == rotation.successor
        and oldest.from_size in (0, size)
        and (oldest.to_size is None or oldest.to_size > size)
    ):
        begun = RangedKey(oldest.verifier, size, oldest.to_size)
        return KeyRing((RangedKey(rotation.previous, 0, size), begun, *keys[1:]))
    return None
