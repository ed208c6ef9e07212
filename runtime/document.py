"""Writes docs/settings.md and docs/commands.md from the program itself: `python -m runtime.document`. A test keeps them true."""

from collections.abc import Iterator
from pathlib import Path

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from runtime.cli import app
from runtime.settings import PREFIX, Settings

_DOCS = Path(__file__).parent.parent / "docs"


def settings_page() -> str:
    """Every setting: variable, default, meaning."""
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable; `…_FILE` instead names a file that holds the value.",
        "Unknown `PHITRAIL_` variables are refused, so that a typing error does not become a default;",
        "`phitrail config check` names every problem at once.",
        "This page is written by `python -m runtime.document`.",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in _settings(Settings, PREFIX)]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Every command with its options."""
    lines = [
        "# Commands",
        "",
        "Errors go to standard error as one sentence; exit code 2 means that nothing was done.",
        "`phitrail COMMAND --help` says the same as this page, which is written by `python -m runtime.document`.",
        "",
    ]
    for path, command in _commands(get_command(app), "phitrail"):
        lines += [f"## `{path}`", "", " ".join((command.help or "").split()), ""]
        options = [_option(parameter) for parameter in command.params if parameter.name != "help"]
        lines += [*options, ""] if options else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _settings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        group = _group(field)
        if group is not None:
            yield from _settings(group, f"{variable}__")
        else:
            yield variable, _default(field), field.description or ""


def _group(field: FieldInfo) -> type[BaseModel] | None:
    candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required in its group"
    return "unset" if field.default in (None, ()) else f"`{field.default}`"


def _commands(command: object, path: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    children = getattr(command, "commands", None)
    if children is None:
        assert isinstance(command, typer.core.TyperCommand)
        yield path, command
        return
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


def _option(parameter: object) -> str:
    names = ", ".join(getattr(parameter, "opts", []))
    kind = "argument " if getattr(parameter, "param_type_name", "") == "argument" else ""
    required = " (required)" if getattr(parameter, "required", False) else ""
    return f"- {kind}`{names}`{required} {getattr(parameter, 'help', None) or ''}".rstrip()


def main() -> None:
    """Write both pages."""
    (_DOCS / "settings.md").write_text(settings_page(), encoding="utf-8")
    (_DOCS / "commands.md").write_text(commands_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
