"""What a node is: its signing key and the name of its ledger, made once and never overwritten."""

import base64
import os
from pathlib import Path

from domain.errors import ConfigError, IntegrityError
from domain.note import Signer

_KEY_FILE = "signing.key"
_PREFIX = "PRIVATE+KEY+"


def load_signer(state_dir: Path) -> Signer | None:
    """The node's signer, from the C2SP private-key form; None before `make_signer`. Raises ConfigError when unreadable."""
    path = state_dir / _KEY_FILE
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8").strip().removeprefix(_PREFIX)
    try:
        name, key_id, encoded = text.split("+", 2)
        signer = Signer(name, base64.b64decode(encoded, validate=True)[1:])
        fits = signer.verifier.key_id.hex() == key_id
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(f"{path} is no signing key: put the right one back; a new key would start a new ledger")
    return signer


def make_signer(state_dir: Path, organisation: str) -> Signer:
    """Make the signing key and the name of a new ledger, `<organisation>/<8 hex>/spine`. Raises IntegrityError if there is one."""
    path = state_dir / _KEY_FILE
    if path.exists():
        raise IntegrityError(f"{path} exists; a signing key is never overwritten")
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    signer = Signer(f"{organisation}/{os.urandom(4).hex()}/spine", os.urandom(32))
    encoded = base64.b64encode(b"\x01" + signer.seed).decode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{_PREFIX}{signer.name}+{signer.verifier.key_id.hex()}+{encoded}\n")
    (state_dir / "ledger.vkey").write_text(signer.verifier.text + "\n", encoding="utf-8")
    return signer
