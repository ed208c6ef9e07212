"""Commands of a witness for the logs of others: witness init, add-log, list, evidence, serve.

A witness stands alone: it has a state directory of its own, reads no settings, and opens no store.
"""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from domain.clock import system_clock
from domain.cosignature import Algorithm, Cosigner, CosigningKey
from domain.errors import ConfigError, Conflict, IntegrityError, InvalidInput
from domain.keyring import KeyRing
from runtime.cli.options import out
from store.witness_state import WitnessState

_KEY_FILE = "witness.key"

StateDir = Annotated[Path, typer.Option("--state-dir", help="Key and memory of this witness; keep it on storage of its own.")]
_DEFAULT = Path("phitrail-witness")


class AlgorithmName(StrEnum):
    """What cosignatures are made with."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"


_ALGORITHMS = {AlgorithmName.ED25519: Algorithm.ED25519, AlgorithmName.ML_DSA_44: Algorithm.ML_DSA_44}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    witness = typer.Typer(help="Cosign the logs of others: a witness, apart from any ledger.", no_args_is_help=True)
    witness.command("init")(init)
    witness.command("add-log")(add_log)
    witness.command("list")(list_logs)
    witness.command("evidence")(evidence)
    witness.command("serve")(serve)
    app.add_typer(witness, name="witness")


def init(
    name: Annotated[str, typer.Option("--name", help="Name of the key: a domain and path of yours, such as auditor.example/w1.")],
    algorithm: Annotated[
        AlgorithmName, typer.Option("--algorithm", help="ml-dsa-44 outlasts quantum computers; ed25519 is read by every client.")
    ] = AlgorithmName.ML_DSA_44,
    url: Annotated[
        str | None, typer.Option("--url", help="Address at which logs reach this witness, for the printed line.")
    ] = None,
    state_dir: StateDir = _DEFAULT,
) -> None:
    """Make the key and the memory of a witness; print its line for a policy file. Never overwrites."""
    key = CosigningKey(name, os.urandom(32), _ALGORITHMS[algorithm])
    _check_name(key)
    if state_dir.exists() and any(state_dir.iterdir()):
        raise Conflict(f"{state_dir} is not empty; nothing was changed")
    state_dir.parent.mkdir(parents=True, exist_ok=True)
    # Key and memory appear together, by one rename: a key without its memory must never serve.
    with tempfile.TemporaryDirectory(dir=state_dir.parent, prefix=f"{state_dir.name}.new-") as folder:
        made = Path(folder) / "state"
        WitnessState.create(made).close()
        descriptor = os.open(made / _KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{key.text}\n")
            file.flush()
            os.fsync(file.fileno())
        made.rename(state_dir)
    print(f"state: {state_dir}")
    print("line for the policy file of whoever is to trust this witness:")
    _print_line(key, url)


def add_log(
    keys: Annotated[str, typer.Argument(metavar="VKEY", help="Verifier key of the log, or a file with its key list.")],
    state_dir: StateDir = _DEFAULT,
) -> None:
    """Cosign for a log from now on; after a rotation of its key, give its key list again. Takes effect at once."""
    ring = _ring(keys)
    with WitnessState(state_dir) as state:
        state.add_log(ring)
    print(f"{ring.origin} is known by {len(ring.keys)} key{'s' if len(ring.keys) > 1 else ''}")


def list_logs(state_dir: StateDir = _DEFAULT) -> None:
    """Show this witness's lines for a policy file, and what it holds of each log."""
    for key in _keys(state_dir):
        _print_line(key, None)
    table = Table("log", "size held", "root", "cosigned (UTC)", "refused", box=None)
    with WitnessState(state_dir) as state:
        refused = [item.head.origin for item in state.evidence()]
        for ring in state.logs():
            held = state.held(ring.origin)
            moment = _moment(held.timestamp) if held.note else "never"
            root = f"{held.head.root.hex()[:16]}…" if held.note else ""
            table.add_row(escape(ring.origin), str(held.head.size), root, moment, str(refused.count(ring.origin)))
    out.print(table if table.row_count else "this witness knows no log: add one with phitrail witness add-log")


def evidence(state_dir: StateDir = _DEFAULT) -> None:
    """Print every checkpoint that was refused although its log had signed it, with what was held against it."""
    with WitnessState(state_dir) as state:
        found = state.evidence()
    for item in found:
        print(f"{item.at} {item.refusal.value}: refused\n\n{item.note}\nheld\n\n{item.held_note or '(nothing)'}\n")
    if not found:
        out.print("nothing was refused")


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; put a proxy that ends TLS in front.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 asks for a free one.")] = 8090,
    state_dir: StateDir = _DEFAULT,
) -> None:
    """Answer add-checkpoint until Ctrl-C or SIGTERM."""
    import uvicorn

    from api.witness import create_witness
    from runtime.logs import configure

    configure()
    with WitnessState(state_dir) as state, _listening(host, port) as listening:
        app = create_witness(state, _keys(state_dir), system_clock)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=10,
            limit_concurrency=100,
        )
        # uvicorn raises the signal that stopped it again once it has stopped; this is what it meets then.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        shown = f"[{host}]" if ":" in host else host
        print(f"witness: http://{shown}:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections from here on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from None
        listening.listen(128)
        yield listening


def _check_name(key: CosigningKey) -> None:
    """A name that a verifier key can carry. Raises InvalidInput."""
    try:
        Cosigner.parse(key.cosigner.text)
    except IntegrityError:
        raise InvalidInput(
            "a witness's name has no spaces and no +, and at most 255 bytes: for example auditor.example/w1"
        ) from None


def _ring(words: str) -> KeyRing:
    path = Path(words)
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else words
        return KeyRing.parse(text)
    except (OSError, UnicodeDecodeError, IntegrityError) as error:
        raise InvalidInput(f"this is neither a verifier key (name+hash+base64) nor a file with a key list: {error}") from None


def _keys(state_dir: Path) -> list[CosigningKey]:
    path = state_dir / _KEY_FILE
    try:
        return [CosigningKey.parse(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError:
        raise ConfigError(f"{path} cannot be read: make a witness with `phitrail witness init`, or name its --state-dir") from None
    except IntegrityError as error:
        raise ConfigError(f"{path} holds no key of a witness: {error}") from None


def _print_line(key: CosigningKey, url: str | None) -> None:
    # Plain print: an ML-DSA key is long, and the line is to be copied as it is.
    print(f"witness {key.name} {key.cosigner.text}{f' {url}' if url else ''}")


def _moment(timestamp: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S}"
