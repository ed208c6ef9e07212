"""README.txt of an export: for a reader who has never seen the system, how to check it with our tool and without."""

from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from dashboards.reports.wording import moment_utc

_ENVIRONMENT = Environment(  # plain text, nothing is interpreted
    loader=PackageLoader("dashboards.reports", "templates"),
    autoescape=False,  # noqa: S701
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def readme(
    *,
    organisation: str,
    by: str,
    purpose: str,
    export_id: str,
    made_at: datetime,
    as_of: datetime,
    events: int,
    with_private: bool,
    keys: str,
) -> str:
    """The text, in plain lines of at most 78 characters but for what was given. `keys` is the content of keys/ledger.keys."""
    return _ENVIRONMENT.get_template("export_readme.txt.j2").render(
        organisation=organisation,
        by=by,
        purpose=" ".join(purpose.split()),
        export_id=export_id,
        made=moment_utc(made_at),
        as_of=moment_utc(as_of),
        events=events,
        with_private=with_private,
        keys=keys.splitlines(),
    )
