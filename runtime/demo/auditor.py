"""A second organisation, for the demo: an auditor who runs a witness of its own and cosigns the hospital's checkpoints."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.witness import create_witness
from domain.clock import Clock
from domain.cosignature import Algorithm, CosigningKey
from domain.keyring import KeyRing
from runtime.listening import served
from store.witness_state import WitnessState

NAME = "auditor.example/w1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """A witness that runs on loopback. `policy` is the file that names it (c2sp.org/tlog-policy)."""

    policy: Path
    state: WitnessState

    def trust(self, keys: KeyRing) -> None:
        """Cosign for this ledger from now on."""
        self.state.add_log(keys)


@contextmanager
def auditor(directory: Path, clock: Clock) -> Iterator[Auditor]:
    """Run the witness, with its memory in a directory that is not the node's. Raises ConfigError."""
    directory.mkdir(parents=True, exist_ok=True)
    key = CosigningKey(NAME, os.urandom(32), Algorithm.ED25519)
    with WitnessState.create(directory / "witness") as state, served(create_witness(state, [key], clock)) as url:
        policy = directory / "policy.tlog-policy"
        policy.write_text(f"witness {NAME} {key.cosigner.text} {url}\nquorum {NAME}\n", encoding="utf-8")
        yield Auditor(policy=policy, state=state)
