"""The tables that `make conformance` prints."""

import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.conformance import measure


def main() -> None:
    """Compare everything there is."""
    default = Path(__file__).resolve().parents[3] / "shared" / "samples"
    samples = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PHITRAIL_SAMPLES", default))
    agreement = measure(samples)
    console = Console()
    table = Table("answer key", "field", "agree", "of", title="Agreement of fields")
    for (key, name), total in sorted(agreement.compared.items()):
        table.add_row(key, name, str(agreement.agreed[key, name]), str(total))
    total = sum(agreement.compared.values())
    table.add_row("all", "", str(sum(agreement.agreed.values())), f"{total} = {agreement.ratio():.2%}", style="bold")
    console.print(table)
    account = Table("sample", "records", "events", "quarantined", title="What became of the records")
    for key, total in sorted(agreement.records.items()):
        quarantined = sum(count for (name, _), count in agreement.quarantined.items() if name == key)
        account.add_row(key, str(total), str(agreement.events[key]), str(quarantined))
    console.print(account)
    for (key, reason), count in sorted(agreement.quarantined.items()):
        console.print(f"{key}: {count} × {reason}", markup=False)
    for line in agreement.not_claimed:
        console.print(f"not claimed: {line}", markup=False)
    for difference in agreement.differences:
        console.print(f"differs: {difference}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
