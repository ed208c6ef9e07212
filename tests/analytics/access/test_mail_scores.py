"""Mail in the ranking: the more exposed a delivery about a patient, the higher; unknown is never green."""

from datetime import date
from typing import Any

import polars as pl

from analytics.detectors.mail import mail_scores
from domain.finding import Score

MONDAY = date(2026, 3, 2)


def delivery(**columns: Any) -> dict[str, Any]:
    """PHI about P-1 to lab.example over verified TLS."""
    return {
        "actor_id": "records@clinic.example",
        "patient_id": "P-1",
        "to_domain": "lab.example",
        "phi": 1,
        "encryption": "none",
        "auto_forwarded": 0,
        "tls_verdict": "verified_webpki",
        "tls_weak": 0,
        "opted_in": 0,
    } | columns


def judge(*deliveries: dict[str, Any]) -> list[Score]:
    return mail_scores(
        pl.DataFrame(deliveries, schema_overrides={"phi": pl.UInt8, "tls_weak": pl.UInt8, "opted_in": pl.UInt8}), MONDAY
    )


def value(**columns: Any) -> float:
    (score,) = judge(delivery(**columns))
    return score.score


def test_order_of_exposure() -> None:
    verdicts = ("none", "anonymous", "unknown", "trusted", "verified_webpki")

    assert sorted(verdicts, key=lambda verdict: -value(tls_verdict=verdict)) == list(verdicts)
    assert value(tls_verdict="none") > 0.9
    assert value(tls_verdict="something new") == value(tls_verdict="unknown") > 0.3


def test_what_lowers_and_what_raises() -> None:
    plain = value(tls_verdict="none")

    assert value(tls_verdict="none", opted_in=1) < 0.2 * plain
    assert value(tls_verdict="none", encryption="smime") < 0.2 * plain
    assert value(tls_verdict="none", phi=None) < plain
    assert value(tls_verdict="none", phi=0, patient_id="") < value(tls_verdict="none", phi=None, patient_id="") < plain
    assert value(tls_weak=1) > value()
    assert value(auto_forwarded=1) > value()


def test_worst_delivery_of_the_day_decides_and_the_domain_stands_in_for_the_patient() -> None:
    found = judge(
        delivery(),
        delivery(tls_verdict="none"),
        delivery(patient_id="", tls_verdict="anonymous"),
        delivery(patient_id="", to_domain=""),
    )

    assert [(score.object_id, score.score) for score in found] == [("P-1", 0.95), ("lab.example", 0.6)]
    assert found[0].reasons == ("Sent in plain text", "The sender marked it as PHI")
    assert (found[0].day, found[0].actor_id, found[0].model) == (MONDAY, "records@clinic.example", "mail-exposure/1")


def test_day_without_mail() -> None:
    assert mail_scores(pl.DataFrame([delivery()]).clear(), MONDAY) == []
