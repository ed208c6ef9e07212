"""Sigma conditions to a ClickHouse WHERE text, by our own small pySigma backend.

Every value of a rule is bound on the server and every name comes from the closed list of `store.rule_fields`: a rule cannot inject
SQL. Sigma's meanings are kept: equality and wildcards ignore case unless `cased`; `_` and `%` are plain characters; a regular
expression is searched for, case matters, and `.` does not cross lines; an IPv4 range also matches IPv4-mapped IPv6 addresses.
What is not known is '' in a text field: it equals `null` and does not `exist`. Values without a field are refused, because a rule
that greps the whole record cannot say why it fired.
"""

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import ClassVar, Never

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.conversion.base import TextQueryBackend
from sigma.conversion.state import ConversionState
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError, SigmaValueError
from sigma.rule import SigmaRule
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from store.rule_fields import FieldType, LogSource, column, detail_path, field_type
from store.rule_plans import Predicate

_COMPARED = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
    CompareOperators.NEQ: "!=",
}

_LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})

_WILDCARDS = {SpecialChars.WILDCARD_MULTI: "%", SpecialChars.WILDCARD_SINGLE: "_"}


def predicate(rule: SigmaRule, source: LogSource, prefix: str) -> Predicate:
    """The WHERE of a rule over its log source; parameter names begin with `prefix`. A list of conditions means any of them.

    Raises SigmaError for what the backend does not support, InvalidInput for a field that the log source does not have.
    """
    backend = ClickHouseBackend(source, prefix)
    conditions = [backend.convert_condition(condition.parsed, ConversionState()) for condition in rule.detection.parsed_condition]
    return Predicate(text=" OR ".join(f"({text})" for text in conditions), parameters=dict(backend.bound))


class ClickHouseBackend(TextQueryBackend):
    """Converts the conditions of one rule; `bound` holds the values to bind. Made anew for each rule."""

    name: ClassVar[str] = "phitrail ClickHouse"
    precedence: ClassVar[tuple[type[ConditionItem], type[ConditionItem], type[ConditionItem]]] = (
        ConditionNOT,
        ConditionAND,
        ConditionOR,
    )
    group_expression: ClassVar[str | None] = "({expr})"
    token_separator: str = " "  # noqa: S105 - tokens of SQL
    or_token: ClassVar[str] = "OR"  # noqa: S105
    and_token: ClassVar[str] = "AND"  # noqa: S105
    not_token: ClassVar[str] = "NOT"  # noqa: S105

    def __init__(self, source: LogSource, prefix: str) -> None:
        super().__init__()
        self.bound: dict[str, object] = {}
        self._source = source
        self._prefix = prefix

    def convert_condition_field_eq_val(self, cond: ConditionFieldEqualsValueExpression, state: ConversionState) -> str:  # noqa: ARG002
        """One field against one value. Raises SigmaError where the two do not fit."""
        name, value = cond.field, cond.value
        match value:
            case SigmaCasedString():
                return self._text(name, value, like="LIKE", fold="")
            case SigmaString():
                return self._text(name, value, like="ILIKE", fold="lowerUTF8")
            case SigmaTimestampPart():
                raise _unsupported("parts of a time (they would be UTC, not the clock of the organisation)")
            case SigmaNumber():
                return self._number(name, "=", value)
            case SigmaCompareExpression(number=SigmaTimestampPart()):
                raise _unsupported("parts of a time (they would be UTC, not the clock of the organisation)")
            case SigmaCompareExpression():
                return self._compared(name, _COMPARED[value.op], float(value.number.number))
            case SigmaBool():
                return self._flag(name, value.boolean)
            case SigmaRegularExpression():
                return self._expression(name, value)
            case SigmaCIDRExpression():
                return self._network(name, value)
            case SigmaFieldReference():
                return self._same_as(name, value)
            case SigmaNull():
                return self._unknown(name)
            case SigmaExists():
                return self._exists(name) if value.exists else f"NOT {self._exists(name)}"
            case _:
                raise _unsupported(f"values of the kind {type(value).__name__}")

    def convert_condition_val(self, cond: ConditionValueExpression, state: ConversionState) -> Never:  # noqa: ARG002
        """Keywords are refused."""
        raise _unsupported("values without a field")

    def _text(self, name: str, value: SigmaString, *, like: str, fold: str) -> str:
        """Equal, or like the pattern where the value has wildcards."""
        if value.contains_placeholder():
            raise SigmaValueError(f"field {name} is compared with a placeholder, which nothing fills")
        if value.contains_special():
            pattern = self._bind("".join(_pattern(part) for part in value.s))
            return self._any_text(name, lambda text: f"{text} {like} {pattern}")
        plain = self._bind("".join(part for part in value.s if isinstance(part, str)))
        return self._any_text(name, lambda text: f"{fold}({text}) = {fold}({plain})")

    def _number(self, name: str, operator: str, value: SigmaNumber) -> str:
        """As a number where the field holds numbers, as its text where it holds text (YAML reads 4711 as a number)."""
        if field_type(self._source, name) in (FieldType.TEXT, FieldType.TEXTS):
            plain = self._bind(str(value.number))
            return self._any_text(name, lambda text: f"{text} = {plain}")
        return self._compared(name, operator, float(value.number))

    def _compared(self, name: str, operator: str, value: float) -> str:
        """Numeric comparison; false where the field holds no number."""
        number, bound = column(self._source, name), self._bind(value)
        match field_type(self._source, name):
            case FieldType.NUMBER | FieldType.FLAG:
                return f"{number} {operator} {bound}"
            case FieldType.UNKNOWN_FLAG:
                return f"ifNull({number} {operator} {bound}, 0)"
            case FieldType.DETAIL:
                return f"ifNull(toFloat64OrNull({number}) {operator} {bound}, 0)"
            case other:
                raise SigmaValueError(f"field {name} is a {other.value}, not a number")

    def _flag(self, name: str, value: bool) -> str:
        """True or false; a flag that is not known is neither."""
        flag = column(self._source, name)
        match field_type(self._source, name):
            case FieldType.FLAG:
                return f"{flag} = {int(value)}"
            case FieldType.UNKNOWN_FLAG:
                return f"ifNull({flag} = {int(value)}, 0)"
            case FieldType.DETAIL:
                return f"JSONExtractRaw(details, {detail_path(name)}) = '{str(value).lower()}'"
            case other:
                raise SigmaValueError(f"field {name} is a {other.value}, not a flag")

    def _expression(self, name: str, value: SigmaRegularExpression) -> str:
        """Found anywhere in the text (RE2 syntax); `.` crosses lines only with the flag `s`."""
        flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
        bound = self._bind(f"(?{flags if 's' in flags else f'{flags}-s'}){value.regexp.to_plain_regex()}")
        return self._any_text(name, lambda text: f"match({text}, {bound})")

    def _network(self, name: str, value: SigmaCIDRExpression) -> str:
        """Inside the network; false where the field holds no address."""
        mapped = "::ffff:" if isinstance(value.network, IPv4Network) else ""
        first, last = (self._bind(f"{mapped}{value.network[place]}") for place in (0, -1))
        return self._any_text(name, lambda text: f"ifNull(toIPv6OrNull({text}) BETWEEN toIPv6({first}) AND toIPv6({last}), 0)")

    def _same_as(self, name: str, value: SigmaFieldReference) -> str:
        """Equal to another text field, whatever the case."""
        if value.starts_with or value.ends_with:
            raise _unsupported("a field as part of another field")
        if field_type(self._source, value.field) not in (FieldType.TEXT, FieldType.DETAIL):
            raise SigmaValueError(f"field {value.field} is no single text, so nothing can be compared with it")
        other = column(self._source, value.field)
        return self._any_text(name, lambda text: f"lowerUTF8({text}) = lowerUTF8({other})")

    def _unknown(self, name: str) -> str:
        """Not known. Flags and numbers of a fact always are."""
        stored = column(self._source, name)
        match field_type(self._source, name):
            case FieldType.TEXT | FieldType.DETAIL:
                return f"{stored} = ''"
            case FieldType.TEXTS:
                return f"empty({stored})"
            case FieldType.UNKNOWN_FLAG:
                return f"isNull({stored})"
            case _:
                return "false"

    def _exists(self, name: str) -> str:
        """Known; of a value inside details, that it is there, null or not."""
        if field_type(self._source, name) is FieldType.DETAIL:
            return f"JSONHas(details, {detail_path(name)})"
        return f"NOT ({self._unknown(name)})"

    def _any_text(self, name: str, test: Callable[[str], str]) -> str:
        """A test of a text field; of a list of sentences, whether any of them passes."""
        match field_type(self._source, name):
            case FieldType.TEXT | FieldType.DETAIL:
                return test(column(self._source, name))
            case FieldType.TEXTS:
                return f"arrayExists(one -> {test('one')}, {column(self._source, name)})"
            case other:
                raise SigmaValueError(f"field {name} is a {other.value}, not a text")

    def _bind(self, value: str | float) -> str:
        name = f"{self._prefix}{len(self.bound)}"
        self.bound[name] = value
        return f"{{{name}:{'String' if isinstance(value, str) else 'Float64'}}}"


def _unsupported(what: str) -> SigmaFeatureNotSupportedByBackendError:
    return SigmaFeatureNotSupportedByBackendError(f"rules cannot use {what}")


def _pattern(part: object) -> str:
    """A part of a Sigma string as LIKE writes it: wildcards as they are meant, every other character as itself."""
    if isinstance(part, SpecialChars):
        return _WILDCARDS[part]
    return str(part).translate(_LIKE)
