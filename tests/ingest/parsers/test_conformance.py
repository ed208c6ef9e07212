"""Agreement with the answer keys of other projects on real records; `python -m tests.conformance` prints the whole table."""

from pathlib import Path

import pytest

from tests.conformance import Agreement, measure


@pytest.fixture(scope="module")
def agreement(samples: Path) -> Agreement:
    return measure(samples)


def test_keyed_fields_agree(agreement: Agreement) -> None:
    total = sum(agreement.compared.values())
    print(f"\n{sum(agreement.agreed.values())} of {total} keyed fields agree ({agreement.ratio():.2%})")
    for difference in agreement.differences:
        print(difference)

    assert total > 800
    assert agreement.ratio() >= 0.99


def test_every_real_record_is_an_event_or_quarantined_for_a_known_reason(agreement: Agreement) -> None:
    assert agreement.records["fhir-auditevent"] == agreement.events["fhir-auditevent"]
    assert agreement.records["postfix/whyscream"] == agreement.events["postfix/whyscream"]
    assert dict(agreement.quarantined) == {
        ("atna", "EventDateTime has no UTC offset"): 1,
        ("ocsf", "time is 0, which is no time"): 1,
    }
