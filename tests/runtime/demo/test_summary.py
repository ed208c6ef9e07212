"""What the summary says when not all is well."""

import io

from rich.console import Console

from ingest.pipeline import Counts
from runtime.demo.app import SignIn
from runtime.demo.receivers import Received
from runtime.demo.score import score
from runtime.demo.streams import Collector
from runtime.demo.summary import DemoSummary, show
from store.fsck import Integrity, Problem, Verification


def _summary(*, integrity: Integrity, accepted: int) -> DemoSummary:
    problems = (
        [Problem(log="main", seq=17, what="the body is not what the leaf commits to")] if integrity is Integrity.TAMPERED else []
    )
    return DemoSummary(
        sent={Collector.HTTP: 90, Collector.SYSLOG_UDP: 10},
        malformed=2,
        arrived=Counts(accepted=accepted, quarantined=2),
        checkpoint="origin\n5\nroot\n\nsignature",
        alerts=(),
        card=score([], []),
        webhooks=Received(refused=1),
        mails=Received(),
        verification=Verification(integrity=integrity, problems=problems, entries=100, spine_entries=5, signed_size=5, disposed=0),
        sign_in=SignIn(url="http://127.0.0.1:1", user="privacy", password="shown-once"),
        seconds=12.3,
    )


def _shown(summary: DemoSummary, width: int = 80) -> str:
    log = io.StringIO()
    show(summary, Console(file=log, width=width))
    return log.getvalue()


def test_a_tampered_ledger_is_named_with_its_place() -> None:
    summary = _summary(integrity=Integrity.TAMPERED, accepted=98)

    text = _shown(summary)

    assert not summary.intact
    assert "Integrity: tampered" in text
    assert "main at 17: the body is not what the leaf commits to" in text


def test_lost_datagrams_and_refused_notifications_are_counted() -> None:
    summary = _summary(integrity=Integrity.INTACT, accepted=95)

    lines = _shown(summary).splitlines()

    assert summary.intact
    assert next(line for line in lines if "lost on the way" in line).split()[-1] == "3"
    assert any("refused 1" in line for line in lines)


def test_nothing_is_said_of_losses_where_there_are_none() -> None:
    assert "lost" not in _shown(_summary(integrity=Integrity.INTACT, accepted=98))


def test_the_table_fits_an_ordinary_terminal() -> None:
    text = _shown(_summary(integrity=Integrity.INTACT, accepted=98))

    assert "unverified_certificate" in text
    assert all(word in text for word in ("put in", "precision", "recall"))
    assert max(map(len, text.splitlines())) <= 80
