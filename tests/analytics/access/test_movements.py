"""Where an actor was before: journeys, strange places, to and fro between units, sleep; and what else is known of the account."""

from datetime import timedelta

import pytest

from tests.analytics.access.clinic import TUESDAY, Clinic, Look

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOME = ("Stonemere", "US", 43.07, -89.40)
SOFIA = ("Sofia", "BG", 42.70, 23.32)
NEAR = ("Millbrook", "US", 43.10, -89.35)
VPN = "198.51.100.21"


def test_a_journey_has_a_speed(clinic: Clinic) -> None:
    first, second = clinic.ask(
        Look(actor="alice", action="login", time=TUESDAY, geo=HOME),
        Look(actor="alice", action="login", time=TUESDAY + HOUR, geo=SOFIA),
    )

    assert first["speed_kmh"] == 0
    assert 7_900 < second["speed_kmh"] < 8_800, "along the sphere it is about 8,350 km"
    assert (second["city"], second["country"]) == ("Sofia", "BG")


def test_the_journey_may_have_begun_in_an_earlier_batch(clinic: Clinic) -> None:
    clinic.ask(Look(actor="alice", action="login", time=TUESDAY, geo=HOME))

    (second,) = clinic.ask(Look(actor="alice", action="login", time=TUESDAY + 2 * HOUR, geo=SOFIA))

    assert 3_900 < second["speed_kmh"] < 4_400


@pytest.mark.parametrize(
    ("place", "ip", "later", "who"),
    [(NEAR, "", HOUR, "alice"), (SOFIA, VPN, HOUR, "alice"), (SOFIA, "", 3 * DAY, "alice"), (SOFIA, "", HOUR, "bob")],
    ids=["the next town", "through our own exit", "days later", "somebody else"],
)
def test_what_is_no_journey(clinic: Clinic, place: tuple[str, str, float, float], ip: str, later: timedelta, who: str) -> None:
    clinic.ask(Look(actor="alice", action="login", time=TUESDAY, geo=HOME))

    (second,) = clinic.ask(Look(actor=who, action="login", time=TUESDAY + later, geo=place, ip=ip))

    assert second["speed_kmh"] == 0


def test_what_happens_later_says_nothing_about_before(clinic: Clinic) -> None:
    """Entries may come in another order than they happened."""
    later, earlier = clinic.ask(
        Look(actor="alice", action="login", time=TUESDAY + HOUR, geo=SOFIA),
        Look(actor="alice", action="login", time=TUESDAY, geo=HOME),
    )

    assert earlier["speed_kmh"] == 0
    assert later["speed_kmh"] > 7_900


def test_a_strange_place_is_one_where_hardly_anybody_was(clinic: Clinic) -> None:
    everybody = [Look(actor=f"nurse-{n}", action="login", time=TUESDAY - DAY + n * MINUTE, geo=HOME) for n in range(30)]
    clinic.ask(*everybody, Look(actor="bob", action="login", time=TUESDAY - DAY, geo=SOFIA))

    found = clinic.ask(
        Look(actor="alice", action="login", time=TUESDAY, geo=("Lima", "PE", -12.0, -77.0)),
        Look(actor="bob", action="login", time=TUESDAY, geo=SOFIA),
        Look(actor="carol", action="login", time=TUESDAY, geo=HOME),
        Look(actor="mallory", action="login", time=TUESDAY, geo=("Lima", "PE", -12.0, -77.0), ip=VPN),
        Look(actor="nurse-1", action="login", time=TUESDAY),
    )

    assert [one["strange_place"] for one in found] == [1, 0, 0, 0, 0]


def test_without_much_known_no_place_is_strange(clinic: Clinic) -> None:
    clinic.ask(Look(actor="bob", action="login", time=TUESDAY - DAY, geo=HOME))

    assert clinic.ask(Look(actor="alice", action="login", time=TUESDAY, geo=SOFIA))[0]["strange_place"] == 0


def test_two_people_with_one_account_go_to_and_fro(clinic: Clinic) -> None:
    ward, emergency = "10.0.3.7", "10.0.1.9"
    one, other = "alice", "bob"
    there = [Look(actor=one, patient="P-1", time=TUESDAY + n * MINUTE, ip=(ward, emergency)[n % 2]) for n in range(5)]
    walk = [Look(actor=other, patient="P-1", time=TUESDAY + n * MINUTE, ip=emergency if n > 2 else ward) for n in range(5)]

    found = clinic.ask(*there, *walk)

    assert [row["moves"] for row in found[:5]] == [0, 1, 2, 3, 4]
    assert [row["moves"] for row in found[5:]] == [0, 0, 0, 1, 1]
    assert [row["network_unit"] for row in found[:2]] == ["3N", "ED"]


def test_moves_are_forgotten_after_a_quarter_of_an_hour(clinic: Clinic) -> None:
    clinic.ask(*(Look(actor="alice", time=TUESDAY + n * MINUTE, ip=("10.0.3.7", "10.0.1.9")[n % 2]) for n in range(4)))

    soon, late = clinic.ask(
        Look(actor="alice", time=TUESDAY + 10 * MINUTE, ip="10.0.3.7"),
        Look(actor="alice", time=TUESDAY + 60 * MINUTE, ip="10.0.1.9"),
    )

    assert (soon["moves"], late["moves"]) == (4, 1)


def test_an_account_sleeps_until_it_is_used(clinic: Clinic) -> None:
    clinic.change("S2", last_login="2025-09-01")
    clinic.change("S4", last_login="2025-09-01")
    clinic.load(leave=[{"staff_id": "S4", "first_day": "2025-09-02", "last_day": "2026-03-01", "kind": "parental"}])
    clinic.ask(Look(actor="carol", time=TUESDAY - 100 * DAY))

    found = clinic.ask(
        Look(actor="alice", time=TUESDAY),
        Look(actor="bob", time=TUESDAY),
        Look(actor="bob", time=TUESDAY + MINUTE),
        Look(actor="carol", time=TUESDAY),
        Look(actor="mallory", time=TUESDAY),
    )

    assert [row["idle_days"] for row in found] == [-1, 183, 0, 100, 1]


def test_training_that_ran_out(clinic: Clinic) -> None:
    clinic.load(
        training=[
            {"staff_id": "S1", "course": "HIPAA privacy", "completed_at": "2025-03-01", "valid_until": "2026-03-01"},
            {"staff_id": "S1", "course": "Fire safety", "completed_at": "2025-03-01", "valid_until": "2027-03-01"},
            {"staff_id": "S2", "course": "HIPAA privacy", "completed_at": "2024-03-01", "valid_until": "2025-03-01"},
            {"staff_id": "S2", "course": "HIPAA privacy", "completed_at": "2025-03-01", "valid_until": "2027-03-01"},
        ]
    )

    found = clinic.ask(*(Look(actor=who, patient="P-1") for who in ("alice", "bob", "carol")))

    assert [row["untrained"] for row in found] == [1, 0, 0]


@pytest.mark.parametrize(("lapsed", "is_told"), [(1, True), (3, False)])
def test_where_many_have_no_valid_training_the_register_is_not_kept(clinic: Clinic, lapsed: int, is_told: bool) -> None:
    """One of thirty is somebody who forgot; three of thirty is a register that nobody keeps."""
    until = ["2026-03-01" if n < lapsed else "2027-03-01" for n in range(30)]
    clinic.load(
        training=[
            {"staff_id": "S1" if n == 0 else f"T{n}", "course": "HIPAA privacy", "completed_at": "2025-03-01", "valid_until": end}
            for n, end in enumerate(until)
        ]
    )

    (found,) = clinic.ask(Look(actor="alice", patient="P-1"))

    assert bool(found["untrained"]) is is_told


def test_own_rights_notice_and_applications(clinic: Clinic) -> None:
    clinic.change("S1", notice_date="2026-03-01")
    clinic.load(applications=[{"application": "Fax", "approved": True, "hosts": ["fax.example"], "handles_phi": True}])

    found = clinic.ask(
        Look(actor="alice", action="privilege_change", details={"account": "alice"}),
        Look(actor="bob", action="privilege_change", details={"account": "alice"}),
        Look(actor="alice", action="oauth_consent", details={"application": "Scribe", "host": "scribe.example"}),
        Look(actor="bob", action="web_request", details={"host": "eu.fax.example"}),
        Look(actor="bob", action="view_chart", details={"host": "scribe.example"}),
    )

    assert [row["own_account"] for row in found] == [1, 0, 0, 0, 0]
    assert [row["unregistered"] for row in found] == [0, 0, 1, 0, 0]
    assert [row["notice_given"] for row in found] == [1, 0, 1, 0, 0]


def test_days_since_the_last_care(clinic: Clinic) -> None:
    stay = {
        "patient_id": "P-1",
        "encounter_id": "E-1",
        "department": "Medicine",
        "recorded_at": "2026-01-02",
        "admitted_at": "2026-01-02",
    }
    clinic.load(
        encounters=[
            {**stay, "discharged_at": "2026-01-22T15:00:00Z"},
            {**stay, "encounter_id": "E-2", "patient_id": "P-2"},
            {**stay, "encounter_id": "E-3", "patient_id": "P-3", "admitted_at": "2026-04-01", "recorded_at": "2026-04-01"},
        ]
    )

    found = clinic.ask(*(Look(actor="alice", patient=patient) for patient in ("P-1", "P-2", "P-3")))

    assert [row["since_care_days"] for row in found] == [40, 0, -1]
