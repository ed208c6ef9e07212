"""Looking at domains as a node does: by the job, a batch a minute, and by the command."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import ConfigError, InvalidInput
from domain.finding import Severity
from runtime.posture import PostureWatch, looking, named_domains
from runtime.posture_settings import PostureSettings, server_of
from runtime.settings import load
from store.context import ContextStore
from store.domain_posture import DomainPostures
from store.engine import Engine
from store.findings import Findings
from tests.runtime.command import Command
from tests.support.clock import TickingClock
from tests.support.posture_world import World, world

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[World]:
    """A resolver that knows one domain."""
    with world(tmp_path) as made:
        made.zone.signed = {"clinic.example"}
        made.zone.records |= {
            ("clinic.example", "MX"): ["10 mx.clinic.example."],
            ("_25._tcp.mx.clinic.example", "TLSA"): ["3 1 1 " + "ab" * 32],
        }
        yield made


def settings_of(outside: World, **more: object) -> PostureSettings:
    host, port = outside.address
    return PostureSettings(resolvers=(f"{host}:{port}",), resolver_validates=True, ca_file=outside.trusted, **more)  # type: ignore[arg-type]


def test_the_job_looks_at_every_domain_once_a_day_in_batches_and_raises_what_became_weaker(engine: Engine, outside: World) -> None:
    clock, told = TickingClock(NOON, step=timedelta(microseconds=1)), list[int]()
    records = {"org": [{"name": "H", "mail_domain": "hospital.example"}], "domains": [{"domain": "clinic.example", "baa": True}]}
    ContextStore(engine).load(records, NOON)  # type: ignore[arg-type]
    watch = PostureWatch(engine, settings_of(outside, domains_a_minute=1), clock=clock, tell=lambda: told.append(1))

    batches = [[one.domain for one in watch.run()] for _ in range(3)]
    before = DomainPostures(engine).latest()["clinic.example"]
    del outside.zone.records["_25._tcp.mx.clinic.example", "TLSA"]
    clock.now = NOON + timedelta(days=1)
    later = [[one.domain for one in watch.run()] for _ in range(2)]
    (finding,) = Findings(engine).after(0)

    assert batches == [["hospital.example"], ["clinic.example"], []]
    assert sorted(later) == [["clinic.example"], ["hospital.example"]]
    assert (before.dane, before.is_own) == (True, False)
    assert (finding.finding.kind, finding.finding.severity) == ("dane_removed", Severity.MEDIUM)
    assert finding.finding.time.date() == date(2026, 3, 3)
    assert told == [1]

    again = PostureWatch(engine, settings_of(outside), clock=clock, tell=lambda: told.append(2))
    assert again.run() == []
    assert told == [1]


def test_what_the_command_saw_and_nobody_raised_is_raised_by_the_job(engine: Engine, outside: World) -> None:
    clock, told = TickingClock(NOON, step=timedelta(microseconds=1)), list[int]()
    with looking(settings_of(outside), clock) as looker:
        seen = looker.look("clinic.example")
    DomainPostures(engine).add([replace(seen, observed_at=NOON - timedelta(hours=3)), replace(seen, dane=False)])

    PostureWatch(engine, settings_of(outside), clock=clock, tell=lambda: told.append(1)).run()

    assert [one.finding.kind for one in Findings(engine).after(0)] == ["dane_removed"]
    assert told == [1]


def test_the_command_looks_at_once_and_says_what_it_could_not_learn(tmp_path: Path, outside: World) -> None:
    run = Command(tmp_path / "home")
    run.home.mkdir()
    host, port = outside.address
    about = {"PHITRAIL_POSTURE__RESOLVERS": f'["{host}:{port}"]', "PHITRAIL_POSTURE__RESOLVER_VALIDATES": "true"}

    done = run("domains", "look", "clinic.example", "--json", **about)
    plain = run("domains", "look", "clinic.example", "gone.example", **about, PHITRAIL_POSTURE__DOMAINS_A_MINUTE="600")
    wrong = run("domains", "look", "no domain", **about)

    said = json.loads(done.out)
    assert (done.code, said["dane"], said["tls_rpt"], said["mta_sts"]["in_force"]) == (0, True, False, "none")
    assert "clinic.example: mail servers mx.clinic.example; MTA-STS none; DANE yes; TLS-RPT no" in plain.out
    assert "  MX: the domain does not exist." in plain.out
    assert "gone.example: mail servers not known" in plain.out
    assert (wrong.code, wrong.err) == (2, "phitrail: 'no domain' is no domain name\n")


def test_names_that_are_no_domain_are_refused(engine: Engine) -> None:
    assert [one.domain for one in named_domains(engine, ["A.Example.", "a.example"])] == ["a.example"]
    with pytest.raises(InvalidInput):
        named_domains(engine, ["localhost"])


def test_settings() -> None:
    assert not load({}).posture.enabled
    assert [server_of(text) for text in ("192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1")] == [
        ("192.0.2.1", 53),
        ("192.0.2.1", 5353),
        ("2001:db8::1", 53),
        ("2001:db8::1", 53),
    ]
    for text in ("resolver.example", "192.0.2.1:0", "192.0.2.1:x", ""):
        with pytest.raises(ConfigError, match="a resolver is an IP address"):
            load({"PHITRAIL_POSTURE__RESOLVERS": json.dumps([text])})
    with pytest.raises(ConfigError, match=r"posture.ca_file"), looking(PostureSettings(ca_file=Path("/nowhere.pem")), lambda: NOON):
        pass
