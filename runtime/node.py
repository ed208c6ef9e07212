"""A node opened: engine, anchor, spine and ledger, in the order in which each may refuse."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from domain.clock import Clock
from domain.keyring import KeyRing
from domain.note import Signer
from runtime.identity import load_keys, load_signer, make_signer, resume_rotation
from runtime.settings import Settings
from store.anchor import Anchor
from store.engine import Engine
from store.fsck import Trusted, TrustedKey, Verification, check
from store.intake import Intake
from store.keeper import Keeper, kept
from store.lease import hold_lease
from store.ledger import Ledger
from store.quarantine import Quarantine
from store.spine import Spine


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What every command needs: the settings, the engine at schema head, the anchor and the signer. No writer is started."""

    settings: Settings
    clock: Clock
    engine: Engine
    anchor: Anchor
    signer: Signer
    keys: KeyRing

    def trusted(self, copies: Sequence[str] = ()) -> Trusted:
        """Everything that this node holds against its store: the key list, what was signed and what was acknowledged here.

        `copies` are checkpoints that were put out of its reach.
        """
        signed = self.anchor.spine_note()
        copied = self.anchor.copied_note(self.keys)
        head = self.anchor.writer_head(self.settings.ledger.writer)
        return Trusted(
            key_name=self.keys.origin,
            keys=[
                TrustedKey(name=key.verifier.name, public_key=key.verifier.public, from_size=key.from_size, to_size=key.to_size)
                for key in self.keys.keys
            ],
            notes=[note for note in (copied, signed and signed[1]) if note],
            copies=copies,
            acknowledged={self.settings.ledger.writer: head} if head and head[0] >= 0 else {},
        )

    def verify(self, *, since: int = 0, copies: Sequence[str] = ()) -> Verification:
        """Recompute the ledger and compare it with everything that was signed or acknowledged here, and with copies elsewhere."""
        return check(self.engine, self.trusted(copies), since=since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A base with its writer running: what takes in events."""

    base: Base
    spine: Spine
    keeper: Keeper
    ledger: Ledger
    quarantine: Quarantine
    intake: Intake


@contextmanager
def open_base(settings: Settings, clock: Clock) -> Iterator[Base]:
    """Open store and state directory; the first opening makes the key. Raises StoreHeld, ConfigError, Backpressure."""
    with ExitStack() as stack:
        url = settings.clickhouse.url
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        engine = stack.enter_context(Engine.embedded(settings.data_dir) if url is None else Engine.remote(url.get_secret_value()))
        engine.migrate()
        signer = load_signer(settings.state_dir) or make_signer(settings.state_dir, settings.organisation)
        anchor = Anchor(settings.state_dir, settings.anchor_copies)
        stack.callback(anchor.close)
        spine_keys = load_keys(settings.state_dir, signer)
        yield Base(settings=settings, clock=clock, engine=engine, anchor=anchor, signer=signer, keys=spine_keys)


@contextmanager
def open_node(settings: Settings, clock: Clock) -> Iterator[Node]:
    """Open a base and start its writer; at the end what waits is committed and a last checkpoint signed. Raises IntegrityError."""
    with hold_lease(settings.state_dir, settings.ledger.writer), open_base(settings, clock) as base:
        spine = Spine(base.engine, base.anchor, base.signer, clock, base.keys)
        resume_rotation(settings.state_dir, spine)
        keeper = Keeper(base.engine, spine, clock)
        ledger = Ledger(
            engine=base.engine,
            anchor=base.anchor,
            origin=spine.origin,
            clock=clock,
            new_secret=lambda: os.urandom(32),
            writer=settings.ledger.writer,
        )
        with kept(keeper, ledger):
            quarantine = Quarantine(base.engine, clock)
            intake = Intake(ledger, quarantine)
            yield Node(base=base, spine=spine, keeper=keeper, ledger=ledger, quarantine=quarantine, intake=intake)
