"""Exim and Dovecot logs, which come without keys."""

from pathlib import Path

from tests.conformance.agreement import Agreement, account_files


def measure(samples: Path, agreement: Agreement) -> None:
    """Account for every line."""
    for name in ("exim", "dovecot"):
        account_files(agreement, name, sorted((samples / "mail_other").glob(f"*_{name}-*.log")))
