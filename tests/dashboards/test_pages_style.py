"""The style sheet keeps its promise: every pair of text and ground has a contrast of at least 4.5 to 1, in light and in dark."""

import re
from importlib.resources import files

import pytest

STYLE = (files("dashboards") / "static" / "phitrail.css").read_text(encoding="utf-8")
DARK = STYLE.index("@media (prefers-color-scheme: dark)")

PAIRS = [
    *[(text, ground) for text in ("ink", "ink-2", "ink-3", "link") for ground in ("paper", "surface", "sunken")],
    *[(tone, f"{tone}-wash") for tone in ("good", "warn", "bad", "high", "medium", "low")],
    *[(tone, "surface") for tone in ("good", "warn", "bad")],
    ("critical", "bad-wash"),
    ("warn", "sunken"),
    ("ink-3", "warn-wash"),
    ("on-accent", "accent"),
    ("on-bar", "bar"),
    ("on-bar-2", "bar"),
]


def tokens(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(scheme: str) -> None:
    colours = tokens(STYLE[:DARK]) | (tokens(STYLE[DARK:]) if scheme == "dark" else {})

    weak = {(text, ground): round(contrast(colours[text], colours[ground]), 2) for text, ground in PAIRS}

    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    assert contrast("#ffffff", colours["critical-ground"]) >= 4.5


def test_contrast_is_computed_as_wcag_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
