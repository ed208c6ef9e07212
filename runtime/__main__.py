"""`python -m runtime` is the `phitrail` command."""

from runtime.cli import main

main()
