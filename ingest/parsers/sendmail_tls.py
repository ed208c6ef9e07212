"""What a sendmail log proves about the encryption of one delivery.

The `STARTTLS=client` line (LogLevel 9, the default, and above) has version, cipher and the verification, but no queue id: it
belongs to whatever the same process delivers next over the same relay. sendmail writes it once per connection, also where a
connection is kept for the next mail; whether that mail used it is not in the log, so nothing is claimed for it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.json import Json
from domain.tls import normalise_version
from ingest.parsers.recent import Recent

PROCESSES = 5_000
RELAYS = 50
_SLACK = timedelta(seconds=5)
_LONGEST_ATTEMPT = timedelta(minutes=10)

_SESSION = re.compile(
    r"STARTTLS=(?P<side>client|server), relay=(?P<relay>[^,]*), version=(?P<version>[^,]*), verify=(?P<verify>[^,]*), "
    r"cipher=(?P<cipher>[^,]*), bits=(?P<used>\d{1,6})/\d{1,6}"
)

# sendmail Installation and Operation Guide, ${verify}. The name in the certificate is not compared unless a rule set does it.
_VERIFIED: Mapping[str, Mapping[str, Json]] = {
    "OK": {"verified": True, "level": "trusted"},
    "TRUSTED": {"verified": True, "dane": True},
    "NO": {"verified": False, "level": "anonymous"},
    "NOT": {"verified": False, "level": "anonymous"},
    "FAIL": {"verified": False, "level": "untrusted"},
    "DANE_FAIL": {"verified": False, "level": "untrusted"},
}
_NO_TLS = frozenset({"NONE", "CLEAR", "DANE_NOTLS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsLine:
    """A session that a process reported: `outbound` says who opened it; `facts` are the fields of `details.tls`."""

    outbound: bool
    relay: str
    facts: Mapping[str, Json]


@dataclass(slots=True)
class _Session:
    opened: datetime
    facts: Mapping[str, Json]
    queue_id: str | None = None


def tls_line(text: str) -> TlsLine | None:
    """Read a STARTTLS line about a session (tls.c, tls_get_info), or None."""
    found = _SESSION.match(text)
    if found is None:
        return None
    version = found["version"].strip()
    facts: dict[str, Json] = {
        # Old OpenSSL reports `TLSv1/SSLv3`, the first version that had the cipher: kept as it is, because it names none.
        "version": normalise_version(version) or version,
        "cipher": found["cipher"],
        "bits": int(found["used"]),
        "verify": found["verify"],
        **_VERIFIED.get(found["verify"], {}),
    }
    return TlsLine(outbound=found["side"] == "client", relay=found["relay"], facts=facts)


def verified(tls_verify: str | None) -> dict[str, Json]:
    """`details.tls` from a `tls_verify=` field, with `tls_field`; empty for "not known"."""
    if tls_verify in _NO_TLS:
        return {"tls": None, "tls_field": "tls_verify"}
    if tls_verify is None or tls_verify not in _VERIFIED:
        return {}
    return {"tls": {"established": True, "verify": tls_verify, **_VERIFIED[tls_verify]}, "tls_field": "tls_verify"}


class Sessions:
    """The sessions of the processes of a stream, each until one mail has used it."""

    def __init__(self) -> None:
        self._processes: Recent[tuple[str | None, str], Recent[str, _Session]] = Recent(PROCESSES)

    def opened(self, process: tuple[str | None, str], relay: str, at: datetime, facts: Mapping[str, Json]) -> None:
        """A process reported a session with a relay; the one before it with the same relay is over."""
        known = self._processes.get(process) or Recent[str, _Session](RELAYS)
        known.put(relay, _Session(opened=at, facts=facts))
        self._processes.put(process, known)

    def of_delivery(
        self, process: tuple[str | None, str], relay: str, queue_id: str, *, ended: datetime, took: timedelta | None
    ) -> tuple[Mapping[str, Json] | None, bool]:
        """
        The session that carried a delivery, and whether that it has none would be a proof of plain text.

        `took` is the time of the attempt (`xdelay`): a session that is older was opened for another mail, and may have been kept.
        """
        sessions = self._processes.get(process)
        session = sessions.get(relay) if sessions is not None else None
        if session is None:
            return None, True
        earliest = ended - (took if took is not None else _LONGEST_ATTEMPT) - _SLACK
        if session.queue_id not in (None, queue_id):
            return None, False
        if session.queue_id is None and not earliest <= session.opened <= ended + _SLACK:
            return None, False
        session.queue_id = queue_id
        return session.facts, False
