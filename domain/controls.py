"""The HIPAA provisions that rules, findings and reports refer to, in one notation: `164.312(b)`.

Feeds and people write one provision in several ways (`164.312.b`, `§164.312(b)`, the Sigma tag `hipaa.164.312_b`). All are read
here and nowhere else, and one that the catalogue does not know is an error: a finding filed under a misspelled control is a
finding that no report shows.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from domain.errors import InvalidInput

_CITATION = re.compile(r"(?:45\s*cfr\s*)?(?:§+\s*)?(?:part\s*)?(?P<section>164\.[0-9]{3})(?P<rest>.*)", re.IGNORECASE)
_PARAGRAPHS = re.compile(r"(?:[._]?\(\s*[a-z0-9]+\s*\)|[._][a-z0-9]+)*", re.IGNORECASE)
_TAG = "hipaa."
_UPPER_LEVEL = 3
"""Paragraphs are numbered (a)(1)(ii)(D): the fourth level, and only it, is a capital letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One provision of 45 CFR Part 164: `asks` in our words, `kind` as in domain/controls.toml."""

    citation: str
    title: str
    kind: str
    asks: str


@cache
def catalogue() -> dict[str, Control]:
    """Every known control by its canonical citation, in the order of the regulation."""
    entries = tomllib.loads((files("domain") / "controls.toml").read_text(encoding="utf-8"))["control"]
    return {entry["citation"]: Control(**entry) for entry in entries}


def parse_citation(text: str) -> str:
    """The canonical citation of a known control. Raises InvalidInput where the text is no citation, or the control is not known."""
    written = text.strip()
    found = _CITATION.fullmatch(written.removeprefix(_TAG))
    if found is None or _PARAGRAPHS.fullmatch(found["rest"]) is None:
        raise InvalidInput(f"'{written}' is no citation of 45 CFR Part 164; write it like 164.312(b)")
    steps = re.findall(r"[a-z0-9]+", found["rest"].lower())
    canonical = found["section"] + "".join(f"({_cased(step, level)})" for level, step in enumerate(steps))
    if canonical not in catalogue():
        raise InvalidInput(f"the control {canonical} is not in the catalogue (domain/controls.toml)")
    return canonical


def control(citation: str) -> Control:
    """The control behind a citation in any accepted notation. Raises InvalidInput as `parse_citation` does."""
    return catalogue()[parse_citation(citation)]


def tag(citation: str) -> str:
    """The Sigma tag of a control: `hipaa.164.312_b`."""
    section, *steps = re.split(r"[()]+", parse_citation(citation).rstrip(")"))
    return _TAG + "_".join([section, *steps]).lower()


def _cased(step: str, level: int) -> str:
    return step.upper() if level == _UPPER_LEVEL else step
