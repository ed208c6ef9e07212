"""An hour of mixed traffic over all sockets at once, with a restart in the middle: what was sent is what is there.

For HTTP and FHIR this is exact whatever happens: sent = accepted + duplicate + quarantined by the answers, and each record that was
sent is once in the ledger or once in quarantine. For syslog over TCP and TLS it is exact over an orderly stop. kill -9 may cost
what had been read and was not stored yet, and the sender cannot know: that is counted here as lost. So are datagrams: those that
the kernel dropped and those sent while nobody listened are lost; over an orderly stop no others.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.e2e.feeds import Hour, Node, Sent, datagrams_dropped, send_bundles, send_datagrams, send_events, send_stream
from tests.runtime.command import ROOT, Command
from tests.support.records import audit_event, audit_message, event_line, postfix_line

HOUR = 3600
"""Records carry the times of one hour, whatever the number of them."""

Item = TypeVar("Item")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(Command(tmp_path))
    try:
        made.start()
        yield made
    finally:
        made.kill()


@dataclass(frozen=True, slots=True)
class Feed:
    """Records of one source: those that are events, those that nobody understands, and some that are sent twice."""

    source: str
    batches: Sequence[Sequence[object]]
    good: int
    bad: int
    twice: int
    sent: Sent = field(default_factory=Sent)

    @property
    def size(self) -> int:
        return sum(len(batch) for batch in self.batches)


def mixed(good: Sequence[Item], bad: Sequence[Item], twice: int, *, size: int) -> list[list[Item]]:
    """Bad ones spread among the good, the first good ones again at the end of the feed, cut into batches."""
    records = list(good)
    for number, record in enumerate(bad):
        records.insert((number + 1) * len(good) // (len(bad) + 1), record)
    records += good[:twice]
    return [records[start : start + size] for start in range(0, len(records), size)]


def hour_of_events(source: str) -> Feed:
    bad = [b'{"event_id": "%s-%d", "no": "event"}' % (source.encode(), number) for number in range(30)]
    batches = mixed([event_line(number) for number in range(HOUR)], bad, 40, size=100)
    return Feed(source, batches, HOUR, 30, 40)


def hour_of_fhir() -> Feed:
    bad = [{"resourceType": "AuditEvent", "id": f"bad-{number}"} for number in range(10)]
    batches = mixed([audit_event(number) for number in range(0, HOUR, 3)], bad, 20, size=25)
    return Feed("fhir", batches, HOUR // 3, 10, 20)


def hour_of_deliveries() -> Feed:
    bad = [b"<13>1 - mx-tls nobody - - - knows this %d" % number for number in range(20)]
    return Feed("mx-tls", mixed([postfix_line(number, "mx-tls") for number in range(HOUR)], bad, 0, size=120), HOUR, 20, 0)


def hour_of_audit_messages() -> Feed:
    bad = [b"<13>1 - pacs nobody - - - knows this %d" % number for number in range(10)]
    return Feed("pacs", mixed([audit_message(number) for number in range(0, HOUR, 2)], bad, 0, size=60), HOUR // 2, 10, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is in the store: entries by source, how many of them repeat an id, and distinct quarantined records by source."""

    entries: dict[str, list[str]]
    quarantined: dict[str, int]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_an_hour_of_everything_with_a_restart_in_the_middle(node: Node, tmp_path: Path, number: signal.Signals) -> None:
    ehr, portal, fhir, tls, tcp = (
        hour_of_events("ehr"),
        hour_of_events("portal"),
        hour_of_fhir(),
        hour_of_deliveries(),
        hour_of_audit_messages(),
    )
    feeds = (ehr, portal, fhir, tls, tcp)
    hour = Hour(len(feeds))
    ways: list[tuple[Callable[..., None], str]] = [
        (send_events, "ehr"),
        (send_events, "portal"),
        (send_bundles, "fhir"),
        (send_stream, "tls"),
        (send_stream, "tcp"),
    ]
    senders = [
        threading.Thread(target=send, args=(node, name, feed.batches, feed.sent, passing(hour, place, len(feed.batches))))
        for place, ((send, name), feed) in enumerate(zip(ways, feeds, strict=True))
    ]
    datagrams = [postfix_line(n, "mx-udp") for n in range(0, HOUR, 3)]
    third = len(datagrams) // 3

    for sender in senders:
        sender.start()
    send_datagrams(node, datagrams[:third])
    hour.wait_until(0.5)
    dropped_before = datagrams_dropped(node)
    hour.slow(number is signal.SIGTERM)  # an orderly stop takes its time, and the senders go on meanwhile
    code = node.end(number)
    hour.slow(False)
    send_datagrams(node, datagrams[third : 2 * third])  # nobody listens
    node.start()
    send_datagrams(node, datagrams[2 * third :])
    for sender in senders:
        sender.join()
    dropped_after = datagrams_dropped(node)
    assert node.end(signal.SIGTERM) == 0

    stored = look(tmp_path)
    assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    assert sum(feed.size for feed in feeds) > 9_000
    for feed in feeds:
        assert feed.sent.records == feed.size, "every batch went out whole in the end"
        assert len(stored.entries[feed.source]) == len(set(stored.entries[feed.source])), "nothing is stored twice"
    assert any(feed.sent.repeats or feed.sent.late for feed in feeds), "the restart was in the middle"

    for feed in (ehr, portal, fhir):
        answers = feed.sent.answers
        assert sum(answers.values()) == feed.size, "sent = accepted + duplicate + quarantined"
        assert len(stored.entries[feed.source]) == feed.good
        assert stored.quarantined[feed.source] == feed.bad == answers["quarantined"]
        assert answers["accepted"] <= feed.good
        assert answers["duplicate"] >= feed.twice, "stored without an answer, sent again: a duplicate"
        assert answers["accepted"] + answers["duplicate"] == feed.good + feed.twice

    for feed in (tls, tcp):
        lost = feed.good + feed.bad - len(stored.entries[feed.source]) - stored.quarantined[feed.source]
        print(f"{feed.source}: sent {feed.size}, sent again {feed.sent.repeats}, lost {lost}")
        if number is signal.SIGTERM:
            assert lost == 0
        assert 0 <= lost <= feed.size - feed.sent.late, "nothing that was sent after the restart"
        assert feed.sent.late >= feed.size // 3, "the restart was in the middle"

    arrived = len(stored.entries["mx-udp"])
    lost = len(datagrams) - arrived
    dropped = dropped_before + dropped_after
    print(f"mx-udp: sent {len(datagrams)}, lost {lost}; {dropped} dropped by the kernel, {third} while nobody listened")
    assert len(set(stored.entries["mx-udp"])) == arrived
    assert lost >= third + dropped
    if number is signal.SIGTERM:
        assert lost == third + dropped, "and no other"

    verified = Command(tmp_path)("verify", "--json")
    assert (verified.code, json.loads(verified.out)["integrity"]) == (0, "intact"), verified.out
    assert "Traceback" not in node.log
    assert "P-1" not in node.log


def passing(hour: Hour, sender: int, batches: int) -> Callable[[int], None]:
    """To be called with the number of batches that a sender has sent."""
    return lambda number: hour.pass_to(sender, number / batches)


def look(home: Path) -> Stored:
    """Read the store in a process of its own: this one may have another engine open."""
    code = (
        "import json, sys; from pathlib import Path; from store.engine import Engine\n"
        "with Engine.embedded(Path(sys.argv[1])) as engine:\n"
        "    entries = dict(engine.rows('SELECT source_system, groupArray(event_id) FROM events GROUP BY source_system'))\n"
        "    kept = dict(engine.rows('SELECT source_system, uniqExact(id) FROM quarantine GROUP BY source_system'))\n"
        "    print(json.dumps([entries, kept]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home / "data")], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ
    )
    entries, kept = json.loads(done.stdout)
    return Stored(entries=entries, quarantined=kept)
