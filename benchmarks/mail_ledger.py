"""The labelled stream in a real ledger, with its reference data."""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.mail_town import Letter, Stream
from domain.clock import system_clock
from domain.context import KINDS, checked
from domain.note import Signer
from domain.organisation import ORG, Organisation
from store.anchor import Anchor
from store.context import ContextStore
from store.engine import Engine
from store.keeper import Keeper, kept
from store.ledger import Ledger
from store.spine import Spine


def lay_down(engine: Engine, folder: Path, made: Stream) -> ContextStore:
    """Everything of a stream into a new store in a folder."""
    engine.migrate()
    store = ContextStore(engine)
    zone = Organisation.of(made.reference[ORG][0]).timezone
    records = {
        kind: [checked(KINDS[kind], record, zone) if kind in KINDS else record for record in given]
        for kind, given in made.reference.items()
    }
    store.load(records, system_clock())
    _keep(engine, folder, made.letters)
    return store


def _keep(engine: Engine, folder: Path, letters: Sequence[Letter]) -> None:
    with closing(Anchor(folder / "state", None)) as anchor:
        spine = Spine(engine, anchor, Signer("bench.example/spine", bytes(32)), system_clock)
        ledger = Ledger(engine=engine, anchor=anchor, origin=spine.origin, clock=system_clock, new_secret=lambda: os.urandom(32))
        with kept(Keeper(engine, spine, system_clock), ledger):
            for first in range(0, len(letters), 5_000):
                ledger.append([letter.event(first + n) for n, letter in enumerate(letters[first : first + 5_000])])
