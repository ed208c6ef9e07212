"""Keys of programs: 32 random bytes shown once, kept as SHA-256.

A slow hash protects what people choose; a key has 256 bits of its own and is checked on the hot path of every collector.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from domain.clock import Clock
from domain.errors import InvalidInput, NotFound
from store.accounts import Role, TokenSource
from store.engine import Engine

_LOG = logging.getLogger(__name__)

_FORM = re.compile(r"pht_([0-9a-f]{12})_([A-Za-z0-9_-]{20,128})")

_NOTE_USE_EVERY = timedelta(minutes=1)

REMEMBERED = timedelta(hours=24)
"""So long a key that was right is remembered, for when the store cannot be asked. A key revoked meanwhile, by another node of the
same store, still counts here until the store is back or this time is over."""

_NEWEST = """
SELECT key_id, changed, version, digest, label, roles, revoked, changed_by, used
FROM (SELECT * FROM api_keys {where} ORDER BY key_id, version DESC, changed DESC LIMIT 1 BY key_id) AS newest
LEFT JOIN (SELECT key_id, max(used) AS used FROM api_key_uses GROUP BY key_id) AS uses USING (key_id)
ORDER BY key_id SETTINGS join_use_nulls = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The present state of a key. `key_id` is public: it begins the key's text and names it in the ledger."""

    key_id: str
    label: str
    roles: frozenset[Role]
    revoked: bool
    version: int
    changed: datetime
    changed_by: str
    used: datetime | None = None


class ApiKeys:
    """Reads and changes API keys. Thread-safe, as its engine is."""

    def __init__(self, engine: Engine, clock: Clock, new_token: TokenSource) -> None:
        self._engine = engine
        self._clock = clock
        self._new_token = new_token
        self._noted: dict[str, datetime] = {}
        self._right: dict[str, tuple[bytes, ApiKey, datetime]] = {}

    def create(self, label: str, roles: Collection[Role], by: str) -> tuple[ApiKey, str]:
        """Make a key. Returns it and its text, which is not kept and cannot be shown again. Raises InvalidInput."""
        if not label.strip() or len(label) > 128:
            raise InvalidInput("an API key needs a label of 1 to 128 characters that says what uses it")
        if not roles:
            raise InvalidInput("an API key needs at least one role")
        secret = self._new_token()
        digest = hashlib.sha256(secret.encode()).digest()
        key = ApiKey(
            key_id=digest.hex()[:12],
            label=label.strip(),
            roles=frozenset(roles),
            revoked=False,
            version=0,
            changed=self._clock(),
            changed_by=by,
        )
        return self._store(key, digest, by), f"pht_{key.key_id}_{secret}"

    def all(self) -> list[ApiKey]:
        """Every key, revoked ones too."""
        return [key for key, _ in self._rows("")]

    def revoke(self, key_id: str, by: str) -> ApiKey:
        """Stop a key from working, at once. Raises NotFound."""
        rows = self._rows("WHERE key_id = {key_id:String}", key_id=key_id)
        if not rows:
            raise NotFound(f"there is no API key {key_id}")
        key, digest = rows[0]
        return self._store(replace(key, revoked=True), digest, by)

    def authenticate(self, text: str) -> ApiKey | None:
        """The key with this text, unless it was revoked; its use is noted to the minute."""
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        rows = self._rows("WHERE key_id = {key_id:String}", key_id=form[1])
        key, digest = rows[0] if rows else (None, b"")
        if key is None or key.revoked:
            self._right.pop(form[1], None)
            return None
        if not hmac.compare_digest(digest, hashlib.sha256(form[2].encode()).digest()):
            return None
        self._right[key.key_id] = digest, key, self._clock()
        self._note_use(key.key_id)
        return key

    def remembered(self, text: str) -> ApiKey | None:
        """The key with this text as it was when last right here, within `REMEMBERED`. Asks no store: for when there is none."""
        form = _FORM.fullmatch(text)
        if form is None or form[1] not in self._right:
            return None
        digest, key, at = self._right[form[1]]
        if not hmac.compare_digest(digest, hashlib.sha256(form[2].encode()).digest()) or self._clock() - at > REMEMBERED:
            return None
        return key

    def _note_use(self, key_id: str) -> None:
        now = self._clock()
        if key_id in self._noted and now - self._noted[key_id] < _NOTE_USE_EVERY:
            return
        self._noted[key_id] = now
        try:
            self._engine.insert("api_key_uses", pl.DataFrame({"key_id": [key_id], "used": [now]}))
        except Exception as error:  # noqa: BLE001 - a store that cannot write now is no reason to turn a sender away
            _LOG.warning("the use of an API key was not noted (%s)", type(error).__name__)

    def _rows(self, where: str, **parameters: object) -> list[tuple[ApiKey, bytes]]:
        frame = self._engine.frame(_NEWEST.format(where=where), **parameters)
        return [
            (
                ApiKey(
                    key_id=row["key_id"],
                    label=row["label"],
                    roles=frozenset(Role(role) for role in row["roles"]),
                    revoked=bool(row["revoked"]),
                    version=row["version"],
                    changed=row["changed"],
                    changed_by=row["changed_by"],
                    used=row["used"],
                ),
                row["digest"],
            )
            for row in frame.iter_rows(named=True)
        ]

    def _store(self, key: ApiKey, digest: bytes, by: str) -> ApiKey:
        new = replace(key, version=key.version + 1, changed=self._clock(), changed_by=by)
        self._engine.insert(
            "api_keys",
            pl.DataFrame(
                {
                    "key_id": [new.key_id],
                    "changed": [new.changed],
                    "version": pl.Series([new.version], dtype=pl.UInt64),
                    "digest": pl.Series([digest], dtype=pl.Binary),
                    "label": [new.label],
                    "roles": pl.Series([sorted(new.roles)], dtype=pl.List(pl.String)),
                    "revoked": pl.Series([int(new.revoked)], dtype=pl.UInt8),
                    "changed_by": [new.changed_by],
                }
            ),
        )
        return new
