"""House rules that import contracts cannot say."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ["domain", "store", "ingest", "analytics", "alerts", "retention", "dashboards", "api", "runtime"]
SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|ALTER\s+TABLE|DELETE\s+FROM|CREATE\s+TABLE)\b", re.DOTALL)
LONGEST_MODULE = 500
TRAVELS_ALONE = {"dashboards/export_verify.py"}  # a checker for strangers is one file


def modules(*packages: str) -> list[Path]:
    return [path for package in packages or PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    documented = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documented:
            yield node


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(*[package for package in PACKAGES if package != "store"]), ids=name)
def test_sql_lives_in_store(path: Path) -> None:
    found = [node.lineno for node in strings(ast.parse(path.read_text(encoding="utf-8"))) if SQL.search(str(node.value))]

    # The anchor and the demo have no SQL; only store has (SQLite included).
    assert not found, f"{name(path)} has SQL at lines {found}"


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_module_says_what_it_is_for_and_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"
    assert text.count("\n") <= LONGEST_MODULE or name(path) in TRAVELS_ALONE


@pytest.mark.parametrize("path", modules(), ids=name)
def test_nothing_is_left_for_later(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"TODO|FIXME|XXX|NotImplementedError", text)
    assert not re.search(r"type: ignore(?!\[)", text), "an ignored type error says which"


@pytest.mark.parametrize("path", modules(*[package for package in PACKAGES if package != "runtime"]), ids=name)
def test_only_runtime_reads_the_environment(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert "os.environ" not in text
    assert "os.getenv" not in text


def test_words_that_name_nothing_are_not_used() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|$)|Manager\b|Helper\b")

    assert not [name(path) for path in modules() if vague.search(path.stem)]
    for path in modules():
        classes = [node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
        assert not [word for word in classes if re.search(r"(Manager|Helper|Util)s?$", word)], name(path)


def test_the_first_page_of_help_comes_without_the_engine() -> None:
    """`phitrail --help` must not wait for libraries that it does not use."""
    code = "import sys; import runtime.cli; print([m for m in ('sklearn', 'uvicorn', 'typst', 'apscheduler') if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.strip() == "[]"
