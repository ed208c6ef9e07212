"""What a node is: its signing key, the keys that signed before it, and the name of its ledger.

Nothing is ever overwritten but a key that was rotated out.

    signing.key        the key that signs now (C2SP private-key form, mode 0600)
    signing.key.next   the key of a rotation that is under way
    ledger.keys        every key of this ledger with the sizes it signs for (docs/log-format.md section 5)
    ledger.vkey        the verifier key of now, to hand out

Rotation, and what a stop before the next step leaves: the next start goes on from there.

    (1) the next key is on disk                 → no entry names it: it is removed
    (2) `key-rotate` entry, signed by both      → (3) and (4) are done
    (3) the key list is replaced                → (4) is done
    (4) the next key takes the place of the old one, whose bytes are overwritten first
"""

import base64
import os
from collections.abc import Callable
from pathlib import Path

from domain.errors import ConfigError, IntegrityError
from domain.keyring import KeyRing
from domain.note import Signer
from store.spine import Spine, SpineEntry

_KEY_FILE = "signing.key"
_NEXT_FILE = "signing.key.next"
_RING_FILE = "ledger.keys"
_VKEY_FILE = "ledger.vkey"
_PREFIX = "PRIVATE+KEY+"


def load_signer(state_dir: Path) -> Signer | None:
    """The node's signer, from the C2SP private-key form; None before `make_signer`. Raises ConfigError when unreadable."""
    path, waiting, ring = state_dir / _KEY_FILE, state_dir / _NEXT_FILE, state_dir / _RING_FILE
    if waiting.exists() and ring.exists() and KeyRing.parse(ring.read_text(encoding="utf-8")).newest == _read(waiting).verifier:
        # A stop came between (3) and (4).
        _replace_key(state_dir)
    return _read(path) if path.exists() else None


def make_signer(state_dir: Path, organisation: str) -> Signer:
    """Make the signing key and the name of a new ledger, `<organisation>/<8 hex>/spine`. Raises IntegrityError if there is one."""
    path = state_dir / _KEY_FILE
    if path.exists():
        raise IntegrityError(f"{path} exists; a signing key is never overwritten")
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    signer = Signer(f"{organisation}/{os.urandom(4).hex()}/spine", os.urandom(32))
    _write_key(path, signer)
    _write_keys(state_dir, KeyRing.of(signer.verifier))
    return signer


def load_keys(state_dir: Path, signer: Signer) -> KeyRing:
    """The keys of this ledger, the signer's last. Raises ConfigError where the list does not end with it."""
    path = state_dir / _RING_FILE
    if not path.exists():
        return KeyRing.of(signer.verifier)
    keys = KeyRing.parse(path.read_text(encoding="utf-8"))
    if keys.newest != signer.verifier:
        raise ConfigError(f"{path} does not end with the key in {_KEY_FILE}: put the right ones back")
    return keys


def rotate(state_dir: Path, spine: Spine, new_seed: Callable[[], bytes]) -> SpineEntry:
    """Change the signing key. From here on the old one signs nothing. Raises IntegrityError."""
    successor = Signer(spine.origin, new_seed())
    # (1)
    _write_key(state_dir / _NEXT_FILE, successor)
    return _hand_over(state_dir, spine, successor)


def resume_rotation(state_dir: Path, spine: Spine) -> SpineEntry | None:
    """Finish, or forget, a rotation that a stop cut short. Runs before the spine is written to."""
    path = state_dir / _NEXT_FILE
    if not path.exists():
        return None
    successor = _read(path)
    if not spine.ends_with_rotation_to(successor.verifier):
        path.unlink()
        return None
    return _hand_over(state_dir, spine, successor)


def _hand_over(state_dir: Path, spine: Spine, successor: Signer) -> SpineEntry:
    # (2)
    entry = spine.rotate(successor)
    # (3)
    _write_keys(state_dir, spine.keys)
    # (4)
    _replace_key(state_dir)
    return entry


def _replace_key(state_dir: Path) -> None:
    old = state_dir / _KEY_FILE
    with old.open("r+b") as file:
        file.write(bytes(old.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    (state_dir / _NEXT_FILE).replace(old)
    _sync(state_dir)


def _read(path: Path) -> Signer:
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


def _write_key(path: Path, signer: Signer) -> None:
    encoded = base64.b64encode(b"\x01" + signer.seed).decode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{_PREFIX}{signer.name}+{signer.verifier.key_id.hex()}+{encoded}\n")
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _write_keys(state_dir: Path, keys: KeyRing) -> None:
    for name, text in ((_RING_FILE, keys.text), (_VKEY_FILE, f"{keys.newest.text}\n")):
        temporary = state_dir / f"{name}.new"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(state_dir / name)
    _sync(state_dir)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
