"""What is shipped: the package list, the locked requirements, and nothing that belongs to another distribution."""

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_wheel_and_the_import_contracts_know_the_same_packages() -> None:
    assert PROJECT["tool"]["importlinter"]["root_packages"] == PACKAGES
    assert all((ROOT / package / "__init__.py").is_file() for package in PACKAGES)


def test_no_other_distribution_claims_our_names() -> None:
    owners = packages_distributions()

    assert {package: set(owners.get(package, [])) - {"phitrail"} for package in PACKAGES} == {
        package: set() for package in PACKAGES
    }


def test_requirements_are_pinned_with_hashes_and_name_no_address() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / file).read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9].*", text, re.MULTILINE)
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert "://" not in text
        assert text.count("--hash=sha256:") >= len(pins)


def test_every_direct_dependency_is_justified_and_locked() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8").lower()

    for requirement in PROJECT["project"]["dependencies"]:
        package = re.split(r"[><=,]", requirement)[0]
        line = next(line for line in text.splitlines() if line.strip().startswith(f'"{requirement}"'))
        assert re.search(r"#\s*\S{3,}", line), f"{package} has no reason"
        assert f"\n{package.lower()}==" in f"\n{locked}"


def test_every_direct_dependency_is_imported() -> None:
    """What nobody imports is not depended on; these few are used without an import of ours."""
    names = {"clickhouse-connect": "clickhouse_connect", "scikit-learn": "sklearn", "pyyaml": "yaml", "pydantic-settings": ""}
    names |= {"argon2-cffi": "argon2", "prometheus-client": "prometheus_client", "pysigma": "sigma", "dnspython": "dns"}
    indirect = {"chdb", "pyarrow", "tzdata", "python-multipart"}  # engine, Arrow, zones, FastAPI's forms
    code = "\n".join(path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

    for requirement in PROJECT["project"]["dependencies"]:
        package = re.split(r"[><=,]", requirement)[0]
        module = names.get(package, package.replace("-", "_"))
        assert package in indirect or re.search(rf"^\s*(from|import) {module}\b", code, re.MULTILINE), f"{package} is not used"
