"""Webhooks of all providers: bounds, ids, golden files, the samples on their pages, and agreement with answer keys."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import ActorKind, AuditEvent, Source
from domain.json import normalise
from domain.record import Rejected
from ingest.parsers.records import Feed, Oversize
from ingest.parsers.webhook_formats import WEBHOOK_PARSERS
from ingest.parsers.webhook_records import WEBHOOK_SPLITTERS
from ingest.parsers.webhook_values import address, addresses, instant_of, reply, snake, words
from tests.conformance import Agreement, webhooks
from tests.golden.golden import FOLDER
from tests.support.webhook_events import event, events, parse, records

PROVIDERS = sorted(WEBHOOK_PARSERS)
PAGES = Path(__file__).parents[3] / "docs" / "formats"
GOLDEN = {provider: sorted((FOLDER / provider).glob("*.in")) for provider in PROVIDERS}
RECORDS = [
    (provider, record) for provider in PROVIDERS for path in GOLDEN[provider] for record in records(provider, path.read_bytes())
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3))


def check(provider: str, record: bytes) -> None:
    parsed = parse(provider, record)

    assert parsed
    for one in parsed:
        assert one.format == provider
        assert one.raw == record
        if isinstance(one, AuditEvent):
            assert normalise(one.details) == one.details
            assert one.time.tzinfo is not None
            assert one.source is Source.MAIL
        else:
            assert isinstance(one, Rejected)
            assert 0 < len(one.reason) < 300


# --- Whatever comes in ---------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(provider=st.sampled_from(PROVIDERS), record=st.binary(max_size=200))
def test_arbitrary_bytes(provider: str, record: bytes) -> None:
    check(provider, record)
    for one in WEBHOOK_SPLITTERS[provider](Feed([record]), 100):
        assert isinstance(one, Oversize) or one in record


@settings(max_examples=400, deadline=None)
@given(data=st.data(), chosen=st.sampled_from(RECORDS))
def test_golden_records_cut_and_bent(data: st.DataObject, chosen: tuple[str, bytes]) -> None:
    provider, record = chosen
    bent = bytearray(record)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, max(0, len(bent) - 1)))
        match data.draw(st.sampled_from(["flip", "cut", "drop", "double"])):
            case "flip":
                bent[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del bent[at:]
            case "drop":
                del bent[at : at + data.draw(st.integers(1, 20))]
            case "double":
                bent[at:at] = bent[at : at + 20]
    check(provider, bytes(bent))


@settings(max_examples=400, deadline=None)
@given(data=st.data(), chosen=st.sampled_from([one for one in RECORDS if one[1].startswith(b"{")]))
def test_any_value_in_place_of_any_field(data: st.DataObject, chosen: tuple[str, bytes]) -> None:
    provider, record = chosen
    document = json.loads(record)
    inner, path = document, []
    if provider == "ses" and isinstance(document.get("Message"), str) and document["Message"].startswith("{"):
        document["Message"] = inner = json.loads(document["Message"])
    while isinstance(inner, dict | list) and inner:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        path.append((inner, key))
        inner = inner[key]
    holder, key = data.draw(st.sampled_from(path))
    holder[key] = data.draw(VALUES)
    check(provider, json.dumps(document).encode())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_no_event_is_refused_with_a_reason_that_tells_nothing_of_it(provider: str) -> None:
    for body in (
        b"",
        b"secret",
        b'"secret"',
        b'{"secret": "pat@example.org"}',
        b"[]",
        b"[1]",
        b"[null]",
        b'{"a":' * 3000,
        b"\xff",
        b"NaN",
    ):
        (refused,) = parse(provider, body)
        assert isinstance(refused, Rejected)
        assert "secret" not in refused.reason
        assert "pat@" not in refused.reason


# --- Records and ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_golden_files_are_understood_as_their_json_says(provider: str) -> None:
    for path in GOLDEN[provider]:
        expected = json.loads(path.with_suffix(".json").read_text())
        source = path.read_bytes()
        found = records(provider, source)
        assert len(found) == len(expected)
        identifiers: list[str] = []
        for record, shown in zip(found, expected, strict=True):
            assert record in source
            for one, wanted in zip(parse(provider, record), shown, strict=True):
                if isinstance(one, AuditEvent):
                    identifiers.append(one.event_id)
                    assert (one.event_id, one.action, one.outcome) == (wanted["event_id"], wanted["action"], wanted.get("outcome"))
                    assert one.details == wanted["details"]
                else:
                    assert one.reason == wanted["rejected"]
        assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_body_in_any_pieces_gives_the_same_records_and_ids(provider: str) -> None:
    for path in GOLDEN[provider]:
        body = path.read_bytes()
        whole = records(provider, body)

        assert records(provider, *[body[at : at + 7] for at in range(0, len(body), 7)]) == whole
        assert [one.event_id for record in whole for one in parse(provider, record) if isinstance(one, AuditEvent)] == [
            one.event_id for record in whole for one in parse(provider, record) if isinstance(one, AuditEvent)
        ]


@pytest.mark.parametrize(
    ("provider", "wrap"),
    [("mailtrap", "events"), ("brevo", "items"), ("ses", "Records"), ("mailgun", "items")],
)
def test_objects_around_an_array_are_taken_off_byte_for_byte(provider: str, wrap: str) -> None:
    inside = [b'{"event": "open",\n "x": {"y": [1, "}"]}}', b'{"event":"click"}']
    body = b'\xef\xbb\xbf{ "%s" :\t[%s , %s], "more": 1}\n' % (wrap.encode(), *inside)

    assert records(provider, body) == inside
    for left in (b'{"%s": []}', b'{"%s": [1]}', b'{"%s": {}}', b'{"x": {"%s": [{}]}}', b'{"%s": [{}], "%s": 1}', b'{"%s": [{}]'):
        text = left.replace(b"%s", wrap.encode())
        assert records(provider, text) == [text]


def test_a_form_in_parts_is_one_record_and_one_that_is_too_long_costs_only_itself() -> None:
    (path,) = [path for path in GOLDEN["mailgun"] if path.stem == "parts"]
    body = path.read_bytes()

    assert records("mailgun", body[:50], body[50:]) == [body]
    (long,) = WEBHOOK_SPLITTERS["mailgun"](Feed([body, body]), 100)
    assert isinstance(long, Oversize)
    assert body.startswith(long.head[: len(body)])


def test_recipients_and_entries_have_ids_of_their_own() -> None:
    one = {
        "type": "email.sent",
        "created_at": "2026-03-02T08:00:00Z",
        "data": {"to": ["a@example.org", "b@example.org", "a@example.org"]},
    }

    identifiers = [one.event_id for one in events("resend", [one, one])]

    assert len(identifiers) == len(set(identifiers)) == 4
    assert identifiers[1] == f"{identifiers[0]}#2"
    assert identifiers[2] == f"{identifiers[0]}~2"


def test_an_id_that_two_kinds_of_events_share_makes_no_duplicate() -> None:
    shared = {"email": "pat@example.org", "sg_event_id": "x", "timestamp": 1772438400}

    assert event("sendgrid", {**shared, "event": "open"}).event_id != event("sendgrid", {**shared, "event": "click"}).event_id


def test_too_long_an_id_is_replaced_and_stays_its_own() -> None:
    one = {"event": "open", "timestamp": 1772438400}

    ids = {event("sendgrid", {**one, "sg_event_id": text * 600}).event_id for text in "ab"}

    assert len(ids) == 2
    assert all(len(identifier) == 64 for identifier in ids)


def test_too_many_recipients_are_refused() -> None:
    mail = {"eventType": "Send", "mail": {"destination": [f"p{number}@example.org" for number in range(10_001)]}}

    (refused,) = parse("ses", mail)

    assert isinstance(refused, Rejected)


def test_the_actor_is_the_sender_or_the_provider() -> None:
    known = event("resend", {"type": "email.sent", "data": {"from": "Clinic <notice@clinic.example>", "to": "pat@example.org"}})
    unknown = event("sendgrid", {"event": "open"})

    assert (known.actor.id, known.actor.kind) == ("notice@clinic.example", ActorKind.SYSTEM)
    assert (unknown.actor.id, unknown.actor.kind) == ("SendGrid", ActorKind.SERVICE)
    assert unknown.details["time_from"] == "receipt"


# --- Values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("DeliveryDelay", "delivery_delay"),
        ("soft bounce", "soft_bounce"),
        ("email.sent", "email_sent"),
        ("SMTPApiError", "smtp_api_error"),
    ],
)
def test_words_in_snake_case(word: str, plain: str) -> None:
    assert snake(word) == plain


@pytest.mark.parametrize(
    ("said", "code", "dsn"),
    [
        ("250 2.0.0 OK 1461095248", "250", "2.0.0"),
        ("smtp; 550 5.1.1 user unknown", "550", "5.1.1"),
        ("smtp;550-5.7.1 no", "550", "5.7.1"),
        (" RecipientError: 550 5.5.0 not taken", "550", "5.5.0"),
        ("4.7.1 Temporary error", None, "4.7.1"),
        ("250 ok:  Message 64111812 accepted", "250", None),
        ("2500 things", None, None),
        ("from 192.0.2.10 250.1.2.3", None, None),
        ("[CS01] refused", None, None),
    ],
)
def test_replies(said: str, code: str | None, dsn: str | None) -> None:
    found = reply(said)

    assert (found["reply_code"], found["dsn"]) == (code, dsn)


def test_a_code_of_the_providers_own_wins() -> None:
    assert reply("550 5.1.1 x", code=451, dsn="4.2.0") == {"response": "550 5.1.1 x", "reply_code": "451", "dsn": "4.2.0"}
    assert reply(None, code="5.1.1")["dsn"] == "5.1.1"
    assert reply(None, code=True, dsn="x") == {"response": None, "reply_code": None, "dsn": None}


def test_addresses_in_every_spelling() -> None:
    assert (
        address("Pat <pat@example.org>")
        == address({"email": "pat@example.org"})
        == address(" pat@example.org ")
        == "pat@example.org"
    )
    assert address("undisclosed") == "undisclosed"
    assert address(7.5) == "7.5"
    assert address(None) is address("") is address({}) is address([]) is None
    assert addresses("A <a@x.example>, b@x.example") == ["a@x.example", "b@x.example"]
    assert addresses(["a@x.example", {"email": "b@x.example"}, None, ""]) == ["a@x.example", "b@x.example"]


def test_tags_in_every_spelling() -> None:
    assert words('["a", "b"]') == words(["a", "b"]) == ["a", "b"]
    assert words("a") == ["a"]
    assert words("[a") == ["[a"]
    assert words(None) == words([]) == words("") == []


def test_times_in_every_spelling() -> None:
    eight = datetime(2026, 3, 2, 8, tzinfo=UTC)

    for said in (1772438400, 1772438400.0, "1772438400", 1772438400000, "2026-03-02T08:00:00Z", "2026-03-02T03:00:00-05:00"):
        assert instant_of(said) == eight, said
    assert instant_of("Mon, 02 Mar 2026 08:00:00 +0000") == eight
    none: list[object] = [None, "", 0, True, "soon", "Mon, 02 Mar 2026", "0001-01-01T00:00:00Z", 10**17, [], {}]
    for one in none:
        assert instant_of(one) is None, one


# --- Pages and keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_sample_on_the_page_is_understood(provider: str) -> None:
    page = (PAGES / f"{provider}.md").read_text()
    samples = re.findall(rf"^```{provider}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)

    assert samples
    for sample in samples:
        found = records(provider, sample.encode())
        assert found
        for record in found:
            assert events(provider, record)
    for heading in ("Switch on", "Read", "Cannot tell"):
        assert f"\n## {heading}\n" in page


def test_samples_agree_with_the_keys_of_other_projects(samples: Path) -> None:
    agreement = Agreement()

    webhooks.measure(samples, agreement)

    assert sum(agreement.compared.values()) > 250
    assert agreement.ratio() >= 0.99, agreement.differences
    assert not agreement.quarantined


# --- What fuzzing found ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["(", "1:", "<", '"', "a@", ")"])
@pytest.mark.parametrize("times", [300, 900, 20_000])
def test_a_mailbox_that_is_nested_without_end_is_kept_as_text(unit: str, times: int) -> None:
    said = "pat@clinic.example" + unit * times

    assert "pat@clinic.example" in (address(said) or "")
    assert all("@" in one for one in addresses(f"lee@partner.example, {said}"))


def test_a_list_of_very_many_recipients_is_read() -> None:
    people = [f"person{number}@clinic.example" for number in range(2_000)]

    assert addresses(", ".join(people)) == people
    assert addresses(", ".join(f"Person <{one}>" for one in people)) == people


def test_a_very_long_word_is_cut() -> None:
    assert snake("aB" * 500_000) == snake("aB" * 500)


def test_a_form_in_parts_may_have_a_header_without_end() -> None:
    part = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    named = {"event": "dropped", "recipient": "lee@partner.example", "timestamp": "1772431201"}
    fields = "".join(part.format(name, "", value) for name, value in named.items())
    broken = part.format("reason", ";" * 100_000, "x") + "--b\r\nContent-Type: multipart/mixed" + ";a" * 100_000 + "\r\n\r\n--c\r\n"

    (parsed,) = parse("mailgun", (broken + fields + "--b--\r\n").encode())

    assert isinstance(parsed, AuditEvent), parsed.reason
    assert parsed.details["to"] == "lee@partner.example"
