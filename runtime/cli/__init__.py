"""The command line. Every error a person can do something about is one sentence on standard error and exit code 2."""

import sys

import typer

from domain.errors import PhitrailError
from runtime import domain_commands, explanation_commands, suppression_commands
from runtime.cli import access, alerting, demonstrate, evidence, exporting, keeping, records, reports, serving, witnessing

app = typer.Typer(
    name="phitrail",
    help="Audit and compliance for health organisations: who touched which record, what left in the clear, and proof of both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (demonstrate, serving, records, evidence, alerting, reports, exporting, keeping, access, witnessing, domain_commands):
    module.register(app)
explanation_commands.register(app)
suppression_commands.register(app)


def main() -> None:
    """Entry point of the `phitrail` command."""
    try:
        app()
    except PhitrailError as error:
        print(f"phitrail: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`phitrail … | head`): nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
