"""The fields of a TLS report (RFC 8460 §4), read as senders write them and not only as the RFC does.

Seen in the field: one policy, string or failure where a list belongs and the other way round, `null`, counts as text, keys in other
spellings (`failure-error-code` of an early draft, `mx-host-pattern`, underscores, capitals, missing letters), times with a blank
for the T or without offset, and any field missing. Names are compared without capitals and marks.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.clock import rfc3339
from domain.errors import InvalidInput
from domain.event import EARLIEST, LATEST
from domain.json import MAX_INTEGER, Json, normalise
from ingest.parsers.addresses import ip_of
from ingest.parsers.instants import instant
from ingest.parsers.shapes import mapping, sequence
from ingest.parsers.wall_times import from_epoch

MOST_FAILURES = 1_000
"""Entries of one policy that are kept one by one; the sums by result type are over all of them, and the record keeps them."""

RESULT_TYPES = (
    *("starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted"),
    *("validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required"),
    *("sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"),
)
"""RFC 8460 §4.3. Others are kept as they are."""

_LETTERS = re.compile(r"[^a-z]+")
_DASHES = re.compile(r"[\s_-]+")
_LONGEST = 2_000
_TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[Tt\s]+(?P<clock>\d\d:\d\d)(?::(?P<second>\d\d(?:[.,]\d+)?))?)?"
    r"\s*(?P<offset>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_COUNT = re.compile(r"\s*(\d{1,15})(?:\.0*)?\s*", re.ASCII)

_ORGANISATION = ("organizationname", "organisationname", "orgname", "organization", "organisation")
_CONTACT = ("contactinfo", "contact", "contactinformation", "email")
_REPORT_ID = ("reportid", "id")
_RANGE = ("daterange", "dates", "period")
_START = ("startdatetime", "startdate", "start", "begindate", "begin", "datetimestart")
_END = ("enddatetime", "enddate", "end", "datetimeend")
_POLICIES = ("policies", "policy")
_STRINGS = ("policystring", "policystrings")
_HOSTS = ("mxhost", "mxhosts", "mxhostpattern", "mxhostpatterns", "mx")
_FAILURES = ("failuredetails", "failuredetail", "faileddetails", "failures")
_FAILURE_TEXTS = {
    "sending_mta_ip": ("sendingmtaip", "sendingip", "sendingmta"),
    "receiving_mx_hostname": ("receivingmxhostname", "receivingmxhost", "receivingmx", "receivinghostname"),
    "receiving_mx_helo": ("receivingmxhelo", "receivinghelo"),
    "receiving_ip": ("receivingip", "receivingmxip"),
    "failure_reason_code": ("failurereasoncode", "failureerrorcode", "failurecode", "reasoncode", "failurereason"),
    "additional_information": ("additionalinformation", "additionalinfo", "additionalinfouri"),
}


class Fields:
    """An object by the letters of its keys; the first of keys that are alike counts."""

    __slots__ = ("_values",)

    def __init__(self, value: object) -> None:
        self._values: dict[str, object] = {}
        for key, inner in mapping(value).items():
            self._values.setdefault(_LETTERS.sub("", str(key).lower()), inner)

    def get(self, names: Iterable[str]) -> object:
        """The value of the first of `names` that has one."""
        return next((found for name in names if (found := self._values.get(name)) is not None), None)

    def count(self, *parts: str) -> int | None:
        """The number under a key that holds all of `parts` (`succ`, `count`): the counters are what senders misspell most."""
        for name, value in self._values.items():
            if all(part in name for part in parts) and (number := _number(value)) is not None:
                return number
        return None

    def __contains__(self, names: Sequence[str]) -> bool:
        return any(name in self._values for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy with what became of the sessions under it. None is not known."""

    kind: str | None = None
    domain: str | None = None
    hosts: Sequence[str] = ()
    strings: Sequence[str] = ()
    successful: int | None = None
    failed: int | None = None
    failures: Sequence[Mapping[str, Json]] = ()
    by_type: Mapping[str, int] | None = None
    omitted: int = 0

    @property
    def outcome(self) -> str | None:
        """`failure` where any session failed, `success` where the report says that none did; else not known."""
        if self.failed or self.by_type:
            return "failure"
        return "success" if self.failed == 0 and self.successful is not None else None

    def details(self) -> dict[str, Json]:
        """What the event says of it."""
        found: dict[str, Json] = {
            "policy_type": self.kind,
            "policy_domain": self.domain,
            "mx_host": list(self.hosts) or None,
            "policy_string": list(self.strings) or None,
            "policy_mode": _mode(self.strings),
            "successful_sessions": self.successful,
            "failed_sessions": self.failed,
            "result_types": sorted(self.by_type) if self.by_type else None,
            "failed_by_type": {name.replace("-", "_"): count for name, count in sorted(self.by_type.items())}
            if self.by_type
            else None,
            "failure_details": list(self.failures) or None,
            "failure_details_omitted": self.omitted or None,
        }
        return _bare(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Who reports, about which period, and the policies."""

    organisation: str | None
    contact: str | None
    report_id: str | None
    start: datetime | None
    end: datetime | None
    policies: Sequence[Policy]

    def details(self) -> dict[str, Json]:
        """What every event of the report says."""
        period = _bare({"start": rfc3339(self.start) if self.start else None, "end": rfc3339(self.end) if self.end else None})
        return _bare(
            {
                "organisation": self.organisation,
                "contact": self.contact,
                "report_id": self.report_id,
                "period": period or None,
            }
        )


def is_report(value: object) -> bool:
    """True for an object that can only be meant as a TLS report: one with policies, or with two of the names around them."""
    fields = Fields(value)
    if isinstance(fields.get(_POLICIES), list | dict):
        return True
    return sum(names in fields for names in (_ORGANISATION, _RANGE[:1], _REPORT_ID[:1])) > 1


def read_report(value: object) -> Report:
    """The report in an object. Raises InvalidInput where a period is given and cannot be read."""
    fields = Fields(value)
    period = Fields(fields.get(_RANGE))
    start = _moment(period.get(_START) or fields.get(_START[:5]), "start-datetime")
    end = _moment(period.get(_END) or fields.get(_END[:3]), "end-datetime")
    return Report(
        organisation=_text(fields.get(_ORGANISATION)),
        contact=_text(fields.get(_CONTACT)),
        report_id=_text(fields.get(_REPORT_ID)),
        start=start,
        end=end,
        policies=[_policy(one) for one in sequence(fields.get(_POLICIES)) if isinstance(one, dict)],
    )


def _policy(value: object) -> Policy:
    """An entry of `policies`. Some senders leave out the objects inside it and put their fields here."""
    outer = Fields(value)
    inner, summary = Fields(outer.get(("policy",))), Fields(outer.get(("summary",)))

    def either(names: Sequence[str]) -> object:
        found = inner.get(names)
        return outer.get(names) if found is None else found

    entries = [_failure(one) for one in sequence(outer.get(_FAILURES)) if isinstance(one, dict) and one]
    by_type: Counter[str] = Counter()
    for entry in entries:
        counted = entry.get("failed_session_count")
        by_type[str(entry.get("result_type", "unspecified"))] += counted if isinstance(counted, int) else 1
    failed = _either_count(summary, outer, "fail", "count")
    if failed is None and entries:
        failed = sum(by_type.values())
    kind = _text(either(("policytype", "type")))
    return Policy(
        kind=_DASHES.sub("-", kind.strip().lower()) if kind else None,
        domain=_domain(either(("policydomain", "domain"))),
        hosts=_texts(either(_HOSTS)),
        strings=_texts(either(_STRINGS)),
        successful=_either_count(summary, outer, "succ", "count"),
        failed=failed,
        failures=entries[:MOST_FAILURES],
        by_type={name: count for name, count in by_type.items() if count} or None,
        omitted=max(0, len(entries) - MOST_FAILURES),
    )


def _either_count(summary: Fields, outer: Fields, *parts: str) -> int | None:
    found = summary.count(*parts)
    return outer.count(*parts) if found is None else found


def _failure(value: object) -> dict[str, Json]:
    fields = Fields(value)
    kind = _text(fields.get(("resulttype", "resultstype", "result", "type")))
    found: dict[str, Json] = {
        "result_type": _DASHES.sub("-", kind.strip().lower()) if kind else None,
        "failed_session_count": _first(fields.count("fail", "count"), fields.count("fail", "session"), fields.count("count")),
        **{name: _text(fields.get(names)) for name, names in _FAILURE_TEXTS.items()},
    }
    for name in ("sending_mta_ip", "receiving_ip"):
        said = found[name]
        found[name] = (ip_of(said) or said) if isinstance(said, str) else None
    return _bare(found)


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)


def _mode(strings: Sequence[str]) -> str | None:
    """The mode of an MTA-STS policy: what decides whether a failure stopped mail (RFC 8461 §5)."""
    for line in strings:
        for part in line.splitlines():
            name, _, value = part.partition(":")
            if name.strip().lower() == "mode" and value.strip():
                return value.strip().lower()[:32]
    return None


def _moment(value: object, field: str) -> datetime | None:
    """A time of the period. Without an offset it is in UTC, as RFC 8460 §4.1 wants the day to be."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidInput(f"{field} is no time")
    text = str(value).strip()
    found = _TIME.fullmatch(text)
    if found is None:
        try:
            moment = from_epoch(text, field)
        except InvalidInput:
            raise InvalidInput(f"{field} is no time that is read here") from None
    else:
        offset = (found["offset"] or "Z").upper()
        offset = "Z" if offset in ("UTC", "GMT") else f"{offset}:00" if len(offset) == 3 else offset
        moment = instant(f"{found['day']}T{found['clock'] or '00:00'}:{found['second'] or '00'}{offset}", field)
    if not EARLIEST <= moment < LATEST:
        raise InvalidInput(f"{field} lies outside {EARLIEST.year} to {LATEST.year}")
    return moment


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _COUNT.fullmatch(str(value))
    return min(int(found[1]), MAX_INTEGER) if found else None


def _domain(value: object) -> str | None:
    text = _text(value)
    return text.lower().rstrip(".") or None if text else None


def _text(value: object) -> str | None:
    """Text, or a number as text; of a list what is in it."""
    if isinstance(value, list):
        return _text(", ".join(_texts(value))) if value else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = normalise(str(value).strip())
    return text[:_LONGEST] or None if isinstance(text, str) else None


def _texts(value: object) -> list[str]:
    return [text for one in sequence(value) if not isinstance(one, list) and (text := _text(one))][:MOST_FAILURES]


def _bare(found: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in found.items() if value is not None}
