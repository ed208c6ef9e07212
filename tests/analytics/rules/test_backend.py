"""The backend on the real engine, against an evaluation in Python: no value of a rule means anything but itself."""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from analytics.sigma.backend import predicate
from domain.errors import InvalidInput
from store.engine import Engine
from store.rule_fields import LOG_SOURCES
from tests.analytics.rules.facts import clear_facts, insert_facts

ACCESS, MAIL = LOG_SOURCES["phi_access"], LOG_SOURCES["mail_delivery"]

# Characters that mean something to SQL, LIKE, Sigma, JSON or the parameter syntax; and letters whose case is simple.
TEXT = st.text(alphabet=list("aAbBzZ09_%\\'\"*?.{}:;()[]-+|^$ \n\t\0éÉßж日😀"), max_size=6)

PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sigma(detection: Mapping[str, object], category: str = "phi_access") -> SigmaRule:
    condition = {} if "condition" in detection else {"condition": "selection"}
    return SigmaRule.from_dict(
        {"title": "t", "logsource": {"product": "phitrail", "category": category}, "detection": {**detection, **condition}}
    )


def matching(engine: Engine, detection: Mapping[str, object], category: str = "phi_access") -> list[int]:
    """The seq of the rows that a detection matches."""
    source = LOG_SOURCES[category]
    where = predicate(sigma(detection, category), source, "p")
    rows = engine.rows(f"SELECT seq FROM {source.table} WHERE {where.text} ORDER BY seq", **where.parameters)
    return [int(str(row[0])) for row in rows]


def ask(engine: Engine, values: list[str], detection: Mapping[str, object], field: str = "reason") -> list[int]:
    """The places of the values of one text field that a detection matches, without writing them to disk first."""
    where = predicate(sigma(detection), ACCESS, "p")
    given = f"SELECT number AS n, {{values:Array(String)}}[number + 1] AS {field} FROM numbers({{many:UInt64}})"
    rows = engine.rows(f"SELECT n FROM ({given}) WHERE {where.text}", values=values, many=len(values), **where.parameters)
    return sorted(int(str(row[0])) for row in rows)


def matched(engine: Engine, values: list[str], detection: Mapping[str, object]) -> list[str]:
    """The values themselves."""
    return [values[place] for place in ask(engine, values, detection)]


def escaped(text: str) -> str:
    """The text as a Sigma value that means exactly it."""
    return re.sub(r"([\\*?])", r"\\\1", text)


def wildcard(value: str) -> re.Pattern[str]:
    """A Sigma value as a Python expression: the reference for wildcards."""
    parts, position = [], 0
    while position < len(value):
        sign, follows = value[position], value[position + 1 : position + 2]
        if sign == "\\" and follows and follows in "\\*?":
            parts.append(re.escape(follows))
            position += 1
        else:
            parts.append({"*": ".*", "?": "."}.get(sign, re.escape(sign)))
        position += 1
    return re.compile("".join(parts), re.DOTALL | re.IGNORECASE)


@PROPERTY
@given(needle=TEXT, values=st.lists(TEXT, min_size=1, max_size=6))
@pytest.mark.parametrize(
    ("modifier", "holds"),
    [
        ("", lambda value, needle: value.lower() == needle.lower()),
        ("|startswith", lambda value, needle: value.lower().startswith(needle.lower())),
        ("|endswith", lambda value, needle: value.lower().endswith(needle.lower())),
        ("|contains", lambda value, needle: needle.lower() in value.lower()),
        ("|cased", lambda value, needle: value == needle),
        ("|startswith|cased", lambda value, needle: value.startswith(needle)),
        ("|contains|cased", lambda value, needle: needle in value),
    ],
)
def test_text_is_compared_as_it_stands(
    shared_engine: Engine, modifier: str, holds: Callable[[str, str], bool], needle: str, values: list[str]
) -> None:
    # A needle that occurs in the values, whatever its case, is more telling than a stranger.
    values = [*values, needle, needle.swapcase(), f"a{needle}", f"{needle}z"]

    found = matched(shared_engine, values, {"selection": {f"reason{modifier}": escaped(needle)}})

    assert found == [value for value in values if holds(value, needle)]


@PROPERTY
@given(needles=st.lists(TEXT, min_size=1, max_size=4), values=st.lists(TEXT, min_size=1, max_size=6))
def test_a_list_matches_any_of_its_values(shared_engine: Engine, needles: list[str], values: list[str]) -> None:
    values = [*values, *needles]

    found = matched(shared_engine, values, {"selection": {"reason": [escaped(needle) for needle in needles]}})

    assert found == [value for value in values if value.lower() in {needle.lower() for needle in needles}]


@PROPERTY
@given(pattern=TEXT, values=st.lists(TEXT, min_size=1, max_size=8))
def test_wildcards_are_only_the_ones_that_are_meant(shared_engine: Engine, pattern: str, values: list[str]) -> None:
    values = [*values, pattern]

    found = matched(shared_engine, values, {"selection": {"reason": pattern}})

    assert found == [value for value in values if wildcard(pattern).fullmatch(value)]


@PROPERTY
@given(first=TEXT, second=TEXT, values=st.lists(TEXT, min_size=1, max_size=6))
def test_and_or_not_are_what_they_are(shared_engine: Engine, first: str, second: str, values: list[str]) -> None:
    values = [*values, first, second, first + second]
    detection = {
        "one": {"reason|contains": escaped(first)},
        "other": {"reason|endswith": escaped(second)},
        "condition": "(one or not other) and not (one and other)",
    }

    found = matched(shared_engine, values, detection)

    one = [first.lower() in value.lower() for value in values]
    other = [value.lower().endswith(second.lower()) for value in values]
    assert found == [value for value, a, b in zip(values, one, other, strict=True) if (a or not b) and not (a and b)]


@PROPERTY
@given(
    number=st.integers(-(2**53) + 1, 2**53 - 1),
    values=st.lists(
        st.one_of(st.integers(-100, 100), st.booleans(), st.none(), TEXT, st.decimals(-9, 9, places=2).map(str)), min_size=1
    ),
    operator=st.sampled_from(["", "|lt", "|lte", "|gt", "|gte"]),
)
def test_numbers_inside_details_compare_as_numbers(shared_engine: Engine, number: int, values: list[object], operator: str) -> None:
    values = [*values, number, number - 1, str(number)]
    details = [orjson.dumps({"tls": {"bits": value}}).decode() for value in values]

    found = ask(shared_engine, details, {"selection": {f"details.tls.bits{operator}": number}}, field="details")

    assert found == [seq for seq, value in enumerate(values) if _compares(value, operator, number)]


def _compares(value: object, operator: str, number: int) -> bool:
    # ClickHouse reads a text as a number only where all of it is one; Python is laxer about blanks and underscores.
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?|[+-]?\.[0-9]+", str(value)):
        return False
    left, right = float(str(value)), float(number)
    return {"": left == right, "|lt": left < right, "|lte": left <= right, "|gt": left > right, "|gte": left >= right}[operator]


def test_regular_expressions_are_searched_for_with_case_and_do_not_cross_lines(shared_engine: Engine) -> None:
    values = ["code blue", "Code Blue", "code\nblue", "x"]

    assert matched(shared_engine, values, {"selection": {"reason|re": "o.e"}}) == ["code blue", "Code Blue", "code\nblue"]
    assert matched(shared_engine, values, {"selection": {"reason|re": "^code.blue$"}}) == ["code blue"]
    assert matched(shared_engine, values, {"selection": {"reason|re|i": "^code.blue$"}}) == ["code blue", "Code Blue"]
    assert matched(shared_engine, values, {"selection": {"reason|re|s": "^code.blue$"}}) == ["code blue", "code\nblue"]
    assert matched(shared_engine, ["a?b", "a*b", "ab"], {"selection": {"reason|re": r"a\?b"}}) == ["a?b"]


@pytest.mark.parametrize("network", ["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "::ffff:10.0.0.0/104"])
def test_networks_hold_the_addresses_of_both_families(shared_engine: Engine, network: str) -> None:
    addresses = ["10.1.2.3", "192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db9::1", "::ffff:10.9.9.9", "", "no address", "10.1.2"]
    clear_facts(shared_engine, ACCESS)
    insert_facts(shared_engine, ACCESS, [{"ip": address} for address in addresses])

    found = matching(shared_engine, {"selection": {"ip|cidr": network}})

    assert [addresses[seq] for seq in found] == [address for address in addresses if _inside(address, network)]


def _inside(address: str, network: str) -> bool:
    try:
        ip, wanted = ip_address(address), ip_network(network)
    except ValueError:
        return False
    as_six = [ip_address(f"::ffff:{one}") if one.version == 4 else one for one in (ip, wanted[0], wanted[-1])]
    return int(as_six[1]) <= int(as_six[0]) <= int(as_six[2])


def test_not_known_is_null_and_does_not_exist(shared_engine: Engine) -> None:
    clear_facts(shared_engine, ACCESS)
    details: list[Mapping[str, object]] = [{"a": {"b": "x"}}, {"a": {"b": None}}, {"a": {"b": ""}}, {"a": {}}, {}]
    insert_facts(
        shared_engine,
        ACCESS,
        [
            {"reason": text, "details": entry, "flags": ["f"] if text else []}
            for text, entry in zip(["x", "y", "", "", ""], details, strict=True)
        ],
    )

    assert (
        matching(shared_engine, {"selection": {"reason": None}})
        == [2, 3, 4]
        == matching(shared_engine, {"selection": {"reason|exists": False}})
    )
    assert matching(shared_engine, {"selection": {"flags": None}}) == [2, 3, 4]
    assert matching(shared_engine, {"selection": {"flags|exists": True}}) == [0, 1]
    assert matching(shared_engine, {"selection": {"details.a.b": None}}) == [1, 2, 3, 4]
    assert matching(shared_engine, {"selection": {"details.a.b|exists": True}}) == [0, 1, 2]
    assert matching(shared_engine, {"selection": {"records": None}}) == []
    assert matching(shared_engine, {"selection": {"explained|exists": True}}) == [0, 1, 2, 3, 4]


def test_a_flag_that_is_not_known_is_neither_true_nor_false(shared_engine: Engine) -> None:
    clear_facts(shared_engine, MAIL)
    insert_facts(shared_engine, MAIL, [{"phi": 1}, {"phi": 0}, {"phi": None}])

    assert matching(shared_engine, {"selection": {"phi": True}}, "mail_delivery") == [0]
    assert matching(shared_engine, {"selection": {"phi": False}}, "mail_delivery") == [1]
    assert matching(shared_engine, {"selection": {"phi": 1}}, "mail_delivery") == [0]
    assert matching(shared_engine, {"selection": {"phi": None}}, "mail_delivery") == [2]
    assert matching(shared_engine, {"known": {"phi": True}, "condition": "not known"}, "mail_delivery") == [1, 2]


def test_lists_of_sentences_match_by_any_sentence(shared_engine: Engine) -> None:
    clear_facts(shared_engine, ACCESS)
    insert_facts(shared_engine, ACCESS, [{"reasons": ["On shift", "100%_sure"]}, {"reasons": ["100 sure"]}, {"reasons": []}])

    assert matching(shared_engine, {"selection": {"reasons|contains": "%_s"}}) == [0]
    assert matching(shared_engine, {"selection": {"reasons": "on SHIFT"}}) == [0]
    assert matching(shared_engine, {"one": {"reasons|startswith": "100"}, "condition": "not one"}) == [2]


def test_one_field_compares_with_another(shared_engine: Engine) -> None:
    clear_facts(shared_engine, ACCESS)
    insert_facts(shared_engine, ACCESS, [{"actor_id": "A", "patient_id": "a"}, {"actor_id": "A", "patient_id": "b"}])

    assert matching(shared_engine, {"selection": {"actor_id|fieldref": "patient_id"}}) == [0]


def test_numbers_in_text_fields_and_flags_in_details(shared_engine: Engine) -> None:
    clear_facts(shared_engine, ACCESS)
    insert_facts(
        shared_engine, ACCESS, [{"patient_id": "4711", "details": {"on": True}}, {"patient_id": "47110", "details": {"on": False}}]
    )

    assert matching(shared_engine, {"selection": {"patient_id": 4711}}) == [0]
    assert matching(shared_engine, {"selection": {"details.on": True}}) == [0]
    assert matching(shared_engine, {"selection": {"details.on": False}}) == [1]
    assert matching(
        shared_engine, {"one": {"patient_id": 4711}, "other": {"details.on": False}, "condition": ["one", "other"]}
    ) == [0, 1]


@pytest.mark.parametrize(
    "detection",
    [
        {"selection": ["keyword"]},
        {"selection": {"no_such_field": 1}},
        {"selection": {"details.a'b": 1}},
        {"selection": {"details.": 1}},
        {"selection": {"time": "2026"}},
        {"selection": {"records": "many"}},
        {"selection": {"explained": "yes"}},
        {"selection": {"action": True}},
        {"selection": {"action|gte": 3}},
        {"selection": {"action|re": "(?=x)"}},
        {"selection": {"action|hour": 3}},
        {"selection": {"action|expand": "%names%"}},
        {"selection": {"action|windash": "-x"}},
        {"selection": {"action|fieldref": "records"}},
        {"selection": {"action|fieldref|startswith": "reason"}},
    ],
)
def test_what_would_not_mean_anything_is_refused(detection: Mapping[str, object]) -> None:
    with pytest.raises((SigmaError, InvalidInput)):
        predicate(sigma(detection), ACCESS, "p")


def test_values_are_bound_and_never_part_of_the_text() -> None:
    where = predicate(sigma({"selection": {"reason": ["x' OR 1=1 --", "{y:String}"], "records|gte": 5}}), ACCESS, "p")

    assert "OR 1" not in where.text
    assert orjson.dumps(dict(where.parameters)) == orjson.dumps({"p0": "x' OR 1=1 --", "p1": "{y:String}", "p2": 5.0})
