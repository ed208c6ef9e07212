"""What takes checkpoints out of this machine's reach, put together from the settings: witnesses, time-stamps and copies."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import httpx

from domain.checkpoint import Head
from domain.errors import ConfigError, InvalidInput
from domain.keyring import KeyRing
from domain.witness_policy import NO_WITNESSES, WitnessPolicy
from retention.copies import CheckpointCopy, Copying, DirectoryCopies
from retention.copies_s3 import ObjectLockCopies, object_store
from retention.timestamps import Stamping, TimestampAuthority
from retention.witnessing import Witnessing
from runtime.node import Base, Node
from runtime.settings import Copies, Settings
from store.cosignatures import Cosignatures, WitnessRound
from store.tiles import Tiles
from store.timestamps import Timestamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """The witnesses' policy and whoever is asked: None where nothing is set up."""

    policy: WitnessPolicy
    cosignatures: Cosignatures
    witnessing: Witnessing | None
    stamping: Stamping | None
    copying: Copying
    origin: str
    clients: Sequence[httpx.Client] = field(default_factory=tuple)

    def newest_note(self) -> str | None:
        """The newest checkpoint that a quorum of the policy has cosigned; where there is none, the newest that is signed."""
        found = self.cosignatures.newest_met(self.policy) or self.cosignatures.newest_met(NO_WITNESSES)
        return None if found is None else found.note

    def ask(self) -> WitnessRound | None:
        """Take the newest checkpoint to the witnesses and have it time-stamped, now. None where there are no witnesses."""
        if self.stamping is not None:
            self.stamping.run()
        return None if self.witnessing is None else self.witnessing.run()

    def copies(self) -> Sequence[str]:
        """The newest checkpoint of each place where copies are kept: what a verification is held against."""
        return self.copying.held(self.origin)

    def close(self) -> None:
        """Close connections."""
        for client in self.clients:
            client.close()


def beyond(node: Node) -> Beyond:
    """Put it together over a node. Raises ConfigError naming what cannot work."""
    base, settings = node.base, node.base.settings
    policy, cosignatures = witness_policy(settings, base.keys), Cosignatures(base.engine)
    witnessing = None
    if any(witness.url for witness in policy.witnesses):
        witnessing = Witnessing(
            policy=policy,
            cosignatures=cosignatures,
            tiles=Tiles(base.engine, base.keys.origin),
            newest=node.spine.checkpoint,
            commit=node.keeper.commit,
            record=_record(node),
            clock=base.clock,
            ticks=time.monotonic,
            timeout=settings.witnesses.timeout_seconds,
            ca_file=settings.witnesses.ca_file,
        )
    clients = []
    stamping = None
    if settings.timestamps.url is not None and settings.timestamps.ca_file is not None:
        clients.append(httpx.Client())
        authority = TimestampAuthority(
            settings.timestamps.url.get_secret_value(),
            settings.timestamps.ca_file,
            clients[0],
            clock=base.clock,
            new_nonce=lambda: secrets.randbits(128) | 1,
        )
        stamping = Stamping(
            authority,
            Timestamps(base.engine),
            newest=lambda: newest_signed(base),
            open_checkpoint=lambda note: node.spine.keys.open(note),
            commit=node.keeper.commit,
            record=_record(node),
            clock=base.clock,
            interval=timedelta(seconds=settings.timestamps.interval_seconds),
        )
    return Beyond(
        policy=policy,
        cosignatures=cosignatures,
        witnessing=witnessing,
        stamping=stamping,
        copying=copying(base, lambda note: node.spine.keys.open(note)),
        origin=base.keys.origin,
        clients=clients,
    )


def copying(base: Base, open_checkpoint: Callable[[str], Head]) -> Copying:
    """The copies of checkpoints as they are set up. Raises ConfigError."""
    settings = base.settings.copies
    return Copying(
        checkpoint_places(settings),
        newest=lambda: newest_signed(base),
        open_checkpoint=open_checkpoint,
        clock=base.clock,
        interval=timedelta(seconds=settings.interval_seconds),
        retain_years=settings.retain_years,
    )


def witness_policy(settings: Settings, keys: KeyRing) -> WitnessPolicy:
    """The policy of the settings, or one that asks for nobody. Raises ConfigError where the file cannot be read or is none."""
    path = settings.witnesses.policy_file
    if path is None:
        return NO_WITNESSES
    try:
        # As bytes: reading it as text would hide carriage returns.
        policy = WitnessPolicy.parse(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"witnesses.policy_file: {path} cannot be read ({type(error).__name__})") from None
    except InvalidInput as error:
        raise ConfigError(f"witnesses.policy_file: {error}") from None
    if policy.logs and {log.verifier for log in policy.logs}.isdisjoint(key.verifier for key in keys.keys):
        raise ConfigError("witnesses.policy_file: none of its log lines is a key of this ledger (phitrail anchor show prints them)")
    return policy


def checkpoint_places(copies: Copies) -> list[CheckpointCopy]:
    """Where copies of checkpoints are kept. Raises ConfigError."""
    places: list[CheckpointCopy] = []
    if copies.directory is not None:
        places.append(DirectoryCopies(copies.directory))
    if copies.s3_bucket is not None:
        places.append(ObjectLockCopies(copies.s3_bucket, copies.s3_prefix, object_store(copies.s3_endpoint)))
    return places


def newest_signed(base: Base) -> str | None:
    """The newest checkpoint that this node signed, None before the first."""
    stored = base.anchor.spine_note()
    return stored[1] if stored and stored[0] else None


def _record(node: Node) -> Callable[..., object]:
    return lambda event: node.ledger.append([event])
