"""A record that does not verify is the gravest alert, and is raised once."""

from datetime import UTC, datetime

from alerts.kinds import KINDS, Subject
from alerts.tampering import tampering
from domain.finding import Severity
from store.fsck import Integrity, Problem, Verification

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def verification(integrity: Integrity, problems: list[Problem]) -> Verification:
    return Verification(integrity=integrity, problems=problems, entries=10, spine_entries=2, signed_size=2, disposed=0)


PROBLEMS = [Problem(log="h/main/2026-03", seq=seq, what="the entry is missing (deleted)") for seq in range(7)]


def test_the_first_problem_names_it_and_the_rest_is_counted() -> None:
    (finding,) = tampering(verification(Integrity.TAMPERED, PROBLEMS), NOW)

    assert finding.severity is Severity.CRITICAL
    assert finding.explanation[1] == "h/main/2026-03, entry 0: the entry is missing (deleted)."
    assert finding.explanation[-1].startswith("2 more problems")
    assert KINDS[finding.kind].subject is Subject.SOURCE


def test_the_same_problem_seen_again_is_the_same_finding() -> None:
    one, two = (tampering(verification(Integrity.TAMPERED, PROBLEMS), NOW.replace(hour=hour))[0] for hour in (8, 9))
    (other,) = tampering(verification(Integrity.TAMPERED, PROBLEMS[1:]), NOW)

    assert one.finding_id == two.finding_id != other.finding_id


def test_an_intact_or_unsigned_record_raises_nothing() -> None:
    assert tampering(verification(Integrity.INTACT, []), NOW) == []
    assert tampering(verification(Integrity.UNKNOWN, []), NOW) == []
