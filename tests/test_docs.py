"""The documents say what the program does."""

import re
from pathlib import Path

import pytest

from runtime.document import commands_page, settings_page

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_generated_pages_are_current() -> None:
    """After a change: `python -m runtime.document`."""
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page()
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == commands_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    named = re.findall(
        r"`((?:docs|tests|store|domain|ingest|analytics|alerts|retention|dashboards|api|runtime|benchmarks)/[\w/.-]+)`", text
    )

    assert not [link for link in links if not (page.parent / link).exists()]
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_named_exist(page: Path) -> None:
    known = re.findall(r"^## `phitrail (.+)`$", commands_page(), re.MULTILINE)
    text = page.read_text(encoding="utf-8")

    for words in re.findall(r"`phitrail ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", text):
        assert any(command == words or command == words.split()[0] or command.startswith(f"{words} ") for command in known), words


def test_the_verbs_of_the_makefile_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))

    for page in PAGES:
        assert set(re.findall(r"`make ([a-z0-9-]+)", page.read_text(encoding="utf-8"))) <= verbs


def test_every_decision_is_numbered_once() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]

    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]
