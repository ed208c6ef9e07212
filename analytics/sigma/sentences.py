"""Sentences for people out of the events a rule cites: `Deliveries to {to_domain}: {count}, {period}.`

A placeholder is a field of the events, or one of `count` (`{count:event}` says "1 event" or "3 events"), `first`, `last`, `period`
and `day`. Of a field, the different values are listed; `{records:sum}`, `:max`, `:min`, `:number` (how many different values) and
`:length` (of the longest value, in characters) say a number instead, which is how a sentence tells of a text without repeating it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from string import Formatter

from domain.errors import InvalidInput

SPECIAL = frozenset({"count", "first", "last", "period", "day"})
_NUMBERS = frozenset({"sum", "max", "min", "number", "length"})
_LISTED = 5
"""How many different values a sentence names; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """What a sentence may speak of: the events of one finding, in order of time. `values` holds the texts of each field."""

    day: date
    times: Sequence[datetime]
    values: Mapping[str, Sequence[str]]
    zone: tzinfo


class Sentence:
    """A template, checked when it is read. Raises InvalidInput for what is no placeholder."""

    def __init__(self, template: str) -> None:
        self.template = template
        try:
            self._parts = [(text, name, spec or "") for text, name, spec, _ in Formatter().parse(template)]
        except ValueError as error:
            raise InvalidInput(f"the sentence '{template}' cannot be read: {error}") from error
        for _, name, spec in self._parts:
            if name == "" or (spec and (spec not in _NUMBERS if name not in SPECIAL else name != "count" or not spec.isalpha())):
                raise InvalidInput(f"the sentence '{template}' has a placeholder that is no field, or asks it for '{spec}'")
        self.fields = tuple(name for _, name, _ in self._parts if name is not None and name not in SPECIAL)

    def about(self, cited: Cited) -> str:
        """The sentence about these events; times on the clock of `cited.zone`."""
        return "".join(text + (_said(name, spec, cited) if name is not None else "") for text, name, spec in self._parts)


def _said(name: str, spec: str, cited: Cited) -> str:
    match name:
        case "count":
            return f"{len(cited.times):,}" + (f" {spec}{'' if len(cited.times) == 1 else 's'}" if spec else "")
        case "first":
            return moment(cited.times[0], cited.zone)
        case "last":
            return moment(cited.times[-1], cited.zone)
        case "period":
            first, last = moment(cited.times[0], cited.zone), moment(cited.times[-1], cited.zone)
            return f"at {first}" if first == last else f"from {first} to {last}"
        case "day":
            return cited.day.isoformat()
    values = [value for value in cited.values[name] if value]
    return _number(spec, values) if spec else listed(values)


def moment(time: datetime, zone: tzinfo) -> str:
    """An instant as people read it: local, to the minute, with the zone's abbreviation."""
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def listed(values: Sequence[str]) -> str:
    """The different values, the first few by name: `a, b and 3 more`; `not known` for none."""
    different = list(dict.fromkeys(values))
    if not different:
        return "not known"
    if len(different) > _LISTED:
        return f"{', '.join(different[:_LISTED])} and {len(different) - _LISTED:,} more"
    return " and ".join([", ".join(different[:-1]), different[-1]] if len(different) > 1 else different)


def _number(spec: str, values: Sequence[str]) -> str:
    match spec:
        case "number":
            return f"{len(set(values)):,}"
        case "length":
            return f"{max(map(len, values), default=0):,}"
    numbers = [float(value) for value in values if _is_number(value)]
    if not numbers:
        return "not known"
    total = sum(numbers, start=0.0) if spec == "sum" else max(numbers) if spec == "max" else min(numbers)
    return f"{total:,.0f}" if total.is_integer() else f"{total:,.2f}"


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False
