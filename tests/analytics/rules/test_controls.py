"""One notation for the provisions that rules serve; anything unknown is an error, never a silent zero."""

import pytest

from domain.controls import catalogue, control, parse_citation, tag
from domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("written", "citation"),
    [
        ("164.312(b)", "164.312(b)"),
        ("164.312.b", "164.312(b)"),
        ("hipaa.164.312_b", "164.312(b)"),
        (" 45 CFR 164.312(b) ", "164.312(b)"),
        ("§164.312(b)", "164.312(b)"),
        ("§ 164.312 (b)".replace(" (", "("), "164.312(b)"),
        ("164.308(a)(1)(ii)(D)", "164.308(a)(1)(ii)(D)"),
        ("164.308.a.1.ii.d", "164.308(a)(1)(ii)(D)"),
        ("164.308_a_1_ii_D", "164.308(a)(1)(ii)(D)"),
        ("164.402", "164.402"),
    ],
)
def test_every_notation_is_read(written: str, citation: str) -> None:
    assert parse_citation(written) == citation
    assert control(written).citation == citation


@pytest.mark.parametrize(
    "written", ["164.312(z)", "164.999", "164.312.b.1", "", "164.312(b", "164.312b", "165.312(b)", "audit controls"]
)
def test_what_is_unknown_is_an_error(written: str) -> None:
    with pytest.raises(InvalidInput):
        parse_citation(written)


def test_the_catalogue_is_in_canonical_notation_and_tags_come_back() -> None:
    for citation, entry in catalogue().items():
        assert parse_citation(citation) == citation == entry.citation
        assert parse_citation(tag(citation)) == citation
        assert entry.kind in {"standard", "required", "addressable", "right", "duty"}
        assert entry.title
        assert entry.asks.endswith(".")
