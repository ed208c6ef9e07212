"""Reads rule files and compiles them. A file that is not right in every part stops the start: half a rule set is false calm.

A file holds one or more YAML documents. One with the key `phitrail` is a rule that makes findings; one without is a part, to which
a correlation in the same file refers by its `name`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import count

import yaml
from pydantic import TypeAdapter, ValidationError
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule, SigmaRuleReference
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from analytics.sigma.correlate import compile_plan
from analytics.sigma.rule import Conduct, Rule, RuleTest
from analytics.sigma.sentences import Sentence
from domain.controls import parse_citation
from domain.errors import ConfigError, InvalidInput
from domain.finding import Severity
from store.rule_fields import has_field
from store.rule_plans import leaves

_TESTS = TypeAdapter(tuple[RuleTest, ...])

_OTHER_LEVELS = {"informational": Severity.LOW}

Document = SigmaRule | SigmaCorrelationRule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order of their files; every id once."""

    rules: tuple[Rule, ...]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of finding that these rules can make, sorted."""
        return tuple(sorted({rule.kind for rule in self.rules}))


def load_rules(folder: Traversable | None = None) -> RuleSet:
    """Every `*.yml` of a folder; without one, the rules that ship with phitrail. Raises ConfigError naming file and rule."""
    pages = (entry for entry in (folder or files("analytics") / "rules").iterdir() if entry.name.endswith(".yml"))
    rules: dict[str, Rule] = {}
    for page in sorted(pages, key=lambda entry: entry.name):
        for rule in read_rules(page.read_text(encoding="utf-8"), page.name):
            if rule.rule_id in rules:
                raise ConfigError(f"{rule.file}: '{rule.title}' has the id of another rule, '{rules[rule.rule_id].title}'")
            rules[rule.rule_id] = rule
    return RuleSet(tuple(rules.values()))


def read_rules(text: str, file: str) -> list[Rule]:
    """The rules of one file. Raises ConfigError naming the file and the rule."""
    try:
        written = [page for page in yaml.safe_load_all(text) if page is not None]
        documents = SigmaCollection.from_yaml(text).rules
    except (SigmaError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: this is no Sigma rule file: {error}") from error
    parts = {id(reference.rule) for document in documents for reference in _references(document)}
    rules = []
    for document in documents:
        if id(document) in parts and "phitrail" not in document.custom_attributes:
            continue
        try:
            rules.append(_rule(document, file, written))
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            raise ConfigError(f"{file}, '{document.title}': {problems}") from error
        except (SigmaError, InvalidInput) as error:
            raise ConfigError(f"{file}, '{document.title}': {error}") from error
    return rules


def _rule(document: Document, file: str, written: Sequence[Mapping[str, object]]) -> Rule:
    attributes = document.custom_attributes
    if "phitrail" not in attributes:
        raise InvalidInput("it has no key 'phitrail', and no correlation refers to it")
    conduct = Conduct.model_validate(attributes["phitrail"])
    runbook = attributes.get("runbook")
    if not (document.id and document.level and document.description and document.falsepositives and isinstance(runbook, str)):
        raise InvalidInput("a rule has an id, a level, a description, false positives and a runbook")
    controls = tuple(parse_citation(str(tag)) for tag in document.tags if tag.namespace == "hipaa")
    if not controls:
        raise InvalidInput("a rule serves at least one control: a tag such as hipaa.164.312_b")
    group_by = _group_by(document, conduct)
    level = document.level.name.lower()
    rule = Rule(
        rule_id=str(document.id),
        version=conduct.version,
        kind=conduct.kind,
        file=file,
        title=document.title,
        description=document.description.strip(),
        severity=_OTHER_LEVELS.get(level) or Severity(level),
        score=conduct.score,
        controls=controls,
        runbook=runbook.strip(),
        falsepositives=tuple(document.falsepositives),
        group_by=group_by,
        plan=compile_plan(document, group_by, count()),
        explanation=tuple(map(Sentence, conduct.explanation)),
        exculpatory=tuple(map(Sentence, conduct.exculpatory)),
        flags=conduct.flags,
        reasons=conduct.reasons,
        habit=conduct.habit,
        logic=_logic(document, written),
        tests=_TESTS.validate_python(attributes.get("tests") or ()),
    )
    for name in rule.columns:
        if not any(has_field(leaf.source, name) for leaf in leaves(rule.plan)):
            raise InvalidInput(f"a sentence or habit speaks of '{name}', which no event of the rule has")
    return rule


def _group_by(document: Document, conduct: Conduct) -> tuple[str, ...]:
    if isinstance(document, SigmaCorrelationRule) and conduct.group_by:
        raise InvalidInput("a correlation is grouped by its own key 'group-by'")
    group_by = tuple(document.group_by or ()) if isinstance(document, SigmaCorrelationRule) else conduct.group_by
    if not group_by:
        raise InvalidInput("findings are gathered by at least one field")
    return group_by


def _references(document: Document) -> Sequence[SigmaRuleReference]:
    return document.referenced_rules if isinstance(document, SigmaCorrelationRule) else ()


def _logic(document: Document, written: Sequence[Mapping[str, object]]) -> str:
    """Detection or correlation as written, after the parts it refers to: YAML for the documentation."""
    parts = [_logic(reference.rule, written) for reference in _references(document)]
    page = next(page for page in written if page.get("title") == document.title)
    own = {str(page.get("name") or "rule"): {key: page[key] for key in ("logsource", "detection", "correlation") if key in page}}
    return "\n".join(
        [
            *dict.fromkeys(parts),
            yaml.safe_dump(own, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None).strip(),
        ]
    )
