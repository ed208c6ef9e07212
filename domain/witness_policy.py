"""Which witnesses have to cosign: a trust policy file (c2sp.org/tlog-policy).

    log <verifier key> [<url>]
    witness <name> <verifier key> [<url>]
    group <name> <all|any|k> <member>...
    quorum <name|none>

A line ends with a newline; its items stand apart by spaces and tabs; `#` begins a comment line. A group or a quorum names only what
stands above it, and a name is a member of one group at most, so every witness counts in one way only. Names are compared octet by
octet and mean nothing outside the file.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from domain.cosignature import Cosignature, Cosigner, cosignatures
from domain.errors import IntegrityError, InvalidInput
from domain.note import Verifier

_UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,8}")
_NONE = "none"


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints are accepted: its key, which is named as its origin, and where it is served, if the file says."""

    verifier: Verifier
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness: its name within the file, its key, and the submission prefix of its address, if the file says."""

    name: str
    cosigner: Cosigner
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """A group: it has witnessed a checkpoint when `threshold` of its members (witnesses or groups) have."""

    name: str
    threshold: int
    members: Sequence[str]


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """A policy file, read. `quorum` names a witness or group, None: nobody has to cosign. `text` is the file as it was."""

    logs: Sequence[PolicyLog]
    witnesses: Sequence[PolicyWitness]
    groups: Sequence[PolicyGroup]
    quorum: str | None
    text: str

    @classmethod
    def parse(cls, text: str) -> "WitnessPolicy":
        """Read a policy file. Raises InvalidInput, naming the line, where it breaks a rule of the specification."""
        lines = text.split("\n")
        if lines.pop():
            raise _wrong(len(lines) + 1, "does not end with a newline: the file may have been cut")
        reader = _Reader()
        for number, line in enumerate(lines, 1):
            if _UNREADABLE.search(line):
                raise _wrong(number, "has a control character other than a tab")
            items = [item for item in _BLANKS.split(line) if item]
            if items and not items[0].startswith("#"):
                reader.read(number, items)
        if not reader.has_quorum:
            raise InvalidInput("the witness policy has no quorum line: write `quorum none` where nobody has to cosign")
        return cls(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum, text)

    def is_met(self, names_of_policy_witnesses: Collection[str]) -> bool:
        """Whether these witnesses, by their names in the file, are a quorum."""
        if self.quorum is None:
            return True
        witnessed = {witness.name for witness in self.witnesses if witness.name in names_of_policy_witnesses}
        for group in self.groups:  # each after its members
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return self.quorum in witnessed

    def witnesses_that_signed(self, note: str) -> list[tuple[PolicyWitness, Cosignature]]:
        """The witnesses whose cosignature is in a checkpoint's note, in the order of the file.

        One with the time 0 does not count: its cosigner does not say that it saw no larger tree (c2sp.org/tlog-cosignature).
        Raises IntegrityError where the note is malformed, or a witness's signature does not fit it.
        """
        found = [(witness, one) for witness in self.witnesses for one in cosignatures(note, [witness.cosigner])]
        return [(witness, one) for witness, one in found if one.timestamp]


@dataclass(slots=True)
class _Reader:
    """What the lines so far have said."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[PolicyGroup] = field(default_factory=list)
    quorum: str | None = None
    has_quorum: bool = False
    _defined: set[str] = field(default_factory=set)
    _members: set[str] = field(default_factory=set)

    def read(self, number: int, items: Sequence[str]) -> None:
        """One line, split. Raises InvalidInput naming its number."""
        line_kinds: Mapping[str, tuple[Callable[[Sequence[str]], None], int, int | None]] = {
            "log": (self._log, 1, 2),
            "witness": (self._witness, 2, 3),
            "group": (self._group, 3, None),
            "quorum": (self._quorum, 1, 1),
        }
        keyword, *rest = items
        if keyword not in line_kinds:
            raise _wrong(number, "begins with none of log, witness, group and quorum")
        read, least, most = line_kinds[keyword]
        if len(rest) < least or (most is not None and len(rest) > most):
            raise _wrong(number, f"has too few or too many items for a {keyword} line")
        try:
            read(rest)
        except (InvalidInput, IntegrityError) as error:
            raise _wrong(number, f"cannot be used: {error}") from None

    def _log(self, rest: Sequence[str]) -> None:
        verifier = Verifier.parse(rest[0])
        if any(log.verifier.public == verifier.public for log in self.logs):
            raise InvalidInput("a log with this public key stands above")
        self.logs.append(PolicyLog(verifier, _url(rest[1:])))

    def _witness(self, rest: Sequence[str]) -> None:
        cosigner = Cosigner.parse(rest[1])
        if any(witness.cosigner.public == cosigner.public for witness in self.witnesses):
            raise InvalidInput("a witness with this public key stands above")
        self.witnesses.append(PolicyWitness(self._new(rest[0]), cosigner, _url(rest[2:])))

    def _group(self, rest: Sequence[str]) -> None:
        name, said, *members = rest
        for member in members:
            if member not in self._defined:
                raise InvalidInput("a member of the group is defined nowhere above")
            if member in self._members:
                raise InvalidInput("a member of the group is already a member of a group")
            self._members.add(member)
        self.groups.append(PolicyGroup(self._new(name), _threshold(said, len(members)), tuple(members)))

    def _quorum(self, rest: Sequence[str]) -> None:
        if self.has_quorum:
            raise InvalidInput("there is a quorum line above")
        self.has_quorum = True
        if rest[0] == _NONE:
            return
        if rest[0] not in self._defined:
            raise InvalidInput("the quorum is defined nowhere above")
        self.quorum = rest[0]

    def _new(self, name: str) -> str:
        """A name for a witness or group; they share one space of names."""
        if name == _NONE:
            raise InvalidInput("the name none stands for no witness at all")
        if name in self._defined:
            raise InvalidInput("a witness or group with this name stands above")
        self._defined.add(name)
        return name


def _threshold(said: str, count: int) -> int:
    if said in {"any", "all"}:
        return 1 if said == "any" else count
    if not _THRESHOLD.fullmatch(said) or int(said) > count:
        raise InvalidInput("the threshold of a group is all, any, or a decimal number from 1 to the number of its members")
    return int(said)


def _url(rest: Sequence[str]) -> str | None:
    return rest[0] if rest else None


def _wrong(number: int, what: str) -> InvalidInput:
    return InvalidInput(f"line {number} of the witness policy {what}")


NO_WITNESSES = WitnessPolicy.parse("quorum none\n")
"""Nobody has to cosign: where no policy is configured."""
