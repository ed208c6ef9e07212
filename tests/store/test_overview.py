"""The numbers of the first screen and of the entity pages, on a real engine."""

from datetime import UTC, date, datetime, timedelta

from domain.event import Actor, ActorKind
from domain.record import Receipt, Rejected, Status
from store.access_overview import AccessOverview
from store.engine import Engine
from store.mail_overview import Band, MailOverview
from store.overview import Overview
from store.people import People
from store.quarantine import Quarantine
from store.sources import Sources
from tests.api.ledger_rows import NOON, access, put
from tests.api.scenes import access_fact, delivery_fact, mail, scores

TODAY = NOON.date()


def at(seq: int, writer: str = "w1") -> Receipt:
    return Receipt(status=Status.ACCEPTED, writer=writer, seq=seq)


def test_an_empty_store_has_no_checkpoint_and_no_source(engine: Engine) -> None:
    overview = Overview(engine)

    assert overview.checkpoint() is None
    assert (overview.size().entries, overview.size().quarantined) == (0, 0)
    assert overview.sources(NOON) == []
    assert overview.source_hours(NOON) == {}


def test_sources_count_the_same_before_during_and_after_the_roll_up(engine: Engine) -> None:
    overview, roll_up = Overview(engine), Sources(engine)
    put(engine, [access(n) for n in range(3)], received=NOON - timedelta(hours=30))
    put(engine, [mail(n, time=NOON + timedelta(minutes=n)) for n in range(2)], writer="w2", received=NOON + timedelta(minutes=5))
    states = [overview.sources(NOON - timedelta(hours=24))]
    hours = [overview.source_hours(NOON - timedelta(hours=24))]

    roll_up.refresh()
    states.append(overview.sources(NOON - timedelta(hours=24)))
    hours.append(overview.source_hours(NOON - timedelta(hours=24)))
    put(engine, [access(9)], first=3, received=NOON + timedelta(minutes=50))
    put(engine, [access(7)], writer="w3", received=NOON)
    later = overview.sources(NOON - timedelta(hours=24))

    assert states[0] == states[1]
    assert hours[0] == hours[1] == {"mx1": {NOON: 2}}
    assert [(state.source_system, state.events, state.lately) for state in states[0]] == [("ehr", 3, 0), ("mx1", 2, 2)]
    assert states[0][0].last_received == NOON - timedelta(hours=30)
    assert states[0][1].last_claimed == NOON + timedelta(minutes=1)
    assert [(state.source_system, state.events, state.lately) for state in later] == [("mx1", 2, 2), ("ehr", 5, 2)]


def test_quarantined_counts_what_still_waits(engine: Engine) -> None:
    quarantine = Quarantine(engine, lambda: NOON)
    first, second = quarantine.add(
        [Rejected(source_system="ehr", format="phitrail", reason="no time", raw=raw) for raw in (b"{}", b"[]")]
    )
    assert Overview(engine).size().quarantined == 2
    assert Overview(engine).quarantined() == {"ehr": 2}

    quarantine.settle([(first, at(4))])

    assert first != second
    assert Overview(engine).size().quarantined == 1


def test_deliveries_fall_into_bands_and_unknown_is_never_good(engine: Engine) -> None:
    verdicts = {
        "none": Band.CLEAR,
        "anonymous": Band.UNVERIFIED,
        "untrusted": Band.UNVERIFIED,
        "trusted": Band.TRUSTED,
        "verified_webpki": Band.VERIFIED,
        "verified_dane": Band.VERIFIED,
        "unknown": Band.UNKNOWN,
    }
    for seq, verdict in enumerate(verdicts):
        delivery_fact(engine, at(seq), mail(seq), tls_verdict=verdict)
    delivery_fact(engine, at(20), mail(20), tls_verdict="verified_dane", tls_weak=1)
    delivery_fact(engine, at(21), mail(21), direction="inbound")
    delivery_fact(engine, at(22), mail(22, action="bounce"))

    overview = MailOverview(engine)
    (counts,) = overview.days(NOON - timedelta(days=1), NOON + timedelta(days=1), "UTC").values()

    assert counts == {Band.CLEAR: 1, Band.UNVERIFIED: 2, Band.TRUSTED: 1, Band.VERIFIED: 2, Band.UNKNOWN: 1, Band.WEAK: 1}
    assert overview.newest(NOON + timedelta(hours=1)) == NOON + timedelta(seconds=20)
    assert overview.newest(NOON) is None


def test_the_newest_outbound_delivery_is_found_behind_months_of_others(engine: Engine) -> None:
    delivery_fact(engine, at(0), mail(0, time=NOON - timedelta(days=200)))
    delivery_fact(engine, at(1), mail(1), direction="inbound")

    assert MailOverview(engine).newest(NOON + timedelta(days=1)) == NOON - timedelta(days=200)


def test_days_of_mail_are_local(engine: Engine) -> None:
    late = datetime(2026, 3, 11, 3, 30, tzinfo=UTC)
    delivery_fact(engine, at(0), mail(0, time=late))

    days = MailOverview(engine).days(late - timedelta(days=2), late + timedelta(days=2), "America/New_York")

    assert list(days) == [date(2026, 3, 10)]


def test_phi_in_the_clear_is_told_apart_by_what_excuses_it(engine: Engine) -> None:
    cases = [
        {},
        {"opted_in": 1},
        {"encryption": "smime"},
        {"phi": None},
        {"phi": 0},
        {"tls_verdict": "trusted", "tls_weak": 1},
        {"tls_verdict": "unknown"},
        {"tls_verdict": "verified_dane"},
    ]
    for seq, changes in enumerate(cases):
        delivery_fact(engine, at(seq), mail(seq), **changes)
    delivery_fact(engine, at(30), mail(30), to_domain="other.example", phi=0)
    overview = MailOverview(engine)
    period = (NOON - timedelta(days=1), NOON + timedelta(days=1))

    phi = overview.phi(*period)
    domains = overview.clear_domains(*period)
    rows = overview.deliveries(*period, band=Band.CLEAR, to_domain="patients.example", only_phi=True, limit=2)

    assert (phi.clear, phi.clear_by_consent, phi.clear_but_sealed, phi.clear_unclassified) == (3, 1, 1, 1)
    assert (phi.weak, phi.unknown) == (1, 1)
    assert [(one.domain, one.deliveries, one.with_phi) for one in domains] == [("patients.example", 5, 3), ("other.example", 1, 0)]
    assert [(row.seq, row.encryption, row.phi) for row in rows] == [(2, "smime", True), (1, "none", True)]
    assert len(overview.deliveries(*period, band=None, to_domain="", only_phi=False, limit=99)) == 9


def test_departments_count_only_what_staff_did_in_records_lowest_share_first(engine: Engine) -> None:
    rows: list[dict[str, object]] = [
        {},
        {"explained": 0, "reasons": [], "flags": ["Same rare surname"]},
        {"actor_department": "Surgery"},
        {"actor_department": "", "explained": 0},
        {"actor_kind": "patient", "explained": 0},
        {"patient_id": "", "explained": 0},
        {"local_day": TODAY - timedelta(days=9), "explained": 0},
    ]
    for seq, changes in enumerate(rows):
        access_fact(engine, at(seq), access(seq), **changes)
    overview = AccessOverview(engine)
    period = (TODAY - timedelta(days=6), TODAY)

    departments = overview.departments(*period)
    unexplained = overview.accesses(*period, department=None, explained=False, limit=9)
    oncology = overview.accesses(*period, department="Oncology", explained=None, limit=9)
    nowhere = overview.accesses(*period, department="", explained=None, limit=9)

    assert [(one.name, one.accesses, one.explained) for one in departments] == [("", 1, 0), ("Oncology", 2, 1), ("Surgery", 1, 1)]
    assert [row.seq for row in unexplained] == [3, 1]
    assert [(row.seq, row.flags) for row in oncology] == [(1, ("Same rare surname",)), (0, ())]
    assert [row.seq for row in nowhere] == [3]
    assert overview.newest_access(NOON + timedelta(days=1)) == NOON + timedelta(seconds=6)
    assert overview.newest_access(NOON) is None


def test_the_ranking_of_the_newest_day_tells_patients_from_domains(engine: Engine) -> None:
    access_fact(engine, at(0), access(0))
    common = {"model": "m", "computed_at": NOON}
    scores(
        engine,
        {"day": TODAY, "actor_id": "alice", "object_id": "P-1", "score": 0.4, "reasons": ["Same address"], **common},
        {"day": TODAY, "actor_id": "mx", "object_id": "evil.example", "score": 0.9, "reasons": [], **common},
        {"day": TODAY - timedelta(days=1), "actor_id": "bob", "object_id": "P-1", "score": 1.0, "reasons": [], **common},
    )
    overview = AccessOverview(engine)

    top = overview.top(TODAY, 5)

    assert overview.newest_scored(TODAY + timedelta(days=3)) == TODAY
    assert overview.newest_scored(TODAY - timedelta(days=2)) is None
    assert [(row.score.object_id, row.is_patient) for row in top] == [("evil.example", False), ("P-1", True)]
    assert top[1].score.reasons == ("Same address",)


def test_facts_are_found_by_place(engine: Engine) -> None:
    access_fact(engine, at(0), access(0), is_vip=1)
    access_fact(engine, at(1), access(1), explained=0, reasons=[], known=0)
    delivery_fact(engine, at(2), mail(2), phi=None)
    overview = AccessOverview(engine)

    facts = overview.facts([("w1", 0), ("w1", 1), ("w1", 7)])

    assert set(facts) == {("w1", 0), ("w1", 1)}
    assert (facts["w1", 0].explained, facts["w1", 0].is_vip, facts["w1", 0].department) == (True, True, "Oncology")
    assert (facts["w1", 1].explained, facts["w1", 1].known) == (False, False)
    assert overview.deliveries([("w1", 2)])["w1", 2].phi is None
    assert overview.facts([]) == {}
    assert overview.deliveries([("w1", 0)]) == {}


def test_the_two_sides_of_the_record(engine: Engine) -> None:
    bob = Actor(id="bob", kind=ActorKind.STAFF)
    put(
        engine,
        [
            access(0),
            access(60, action="print"),
            access(120, actor=bob),
            access(86_400, actor=bob, patient_id="P-2", ip="10.9.9.9"),
            access(86_401, actor=bob, patient_id=None, device=None, ip=None),
        ],
    )
    access_fact(engine, at(2), access(120, actor=bob), actor_role="physician")
    people = People(engine)

    patient, actor = people.patient("P-1"), people.actor("bob")
    visitors = people.visitors("P-1", 9)
    post = people.post("bob", NOON - timedelta(days=1))

    assert patient is not None
    assert (patient.events, patient.first, patient.last) == (3, NOON, NOON + timedelta(minutes=2))
    assert actor is not None
    assert (actor.events, actor.kind, actor.patients) == (3, "staff", 2)
    assert [(one.actor_id, one.events, one.actions) for one in visitors] == [
        ("bob", 1, ("view_chart",)),
        ("alice", 2, ("print", "view_chart")),
    ]
    assert [(day.events, day.patients) for day in people.days("bob", NOON - timedelta(days=1), "UTC")] == [(1, 1), (2, 1)]
    assert [(place.device_id, place.ip) for place in people.places("bob", NOON, 9)] == [
        ("ws-07", "10.9.9.9"),
        ("ws-07", "10.1.2.3"),
    ]
    assert post is not None
    assert (post.role, post.accesses, post.explained) == ("physician", 1, 1)
    assert people.patient("") is people.actor("nobody") is people.post("alice", NOON) is None
