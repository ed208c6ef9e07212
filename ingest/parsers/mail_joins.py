"""What earlier lines of a mail log say about later ones, where a mail has one id for its whole life.

Everything is bounded, and a join that is not certain is not made: the field stays absent.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from domain.json import Json
from ingest.parsers.addresses import is_inside
from ingest.parsers.recent import Recent

MESSAGES = 50_000
HOSTS = 1_000
PROOF_LASTS = timedelta(days=1)
"""For how long a session that a host logged shows that it logs its sessions; then its settings may have changed."""

_JOINED = ("from", "size", "nrcpt", "message_id")


def arrival_leg(facts: Mapping[str, Json]) -> dict[str, Json]:
    """`tls_leg` of a mail that a server took: `submission` by somebody who signed in, `inbound` from a stranger outside.

    Empty for a client without a sign-in on our own networks: that may be another server of ours or somebody's mail program.
    """
    if facts.get("sasl_username"):
        return {"tls_leg": "submission"}
    client_ip = facts.get("client_ip")
    return {"tls_leg": "inbound"} if isinstance(client_ip, str) and not is_inside(client_ip) else {}


class Envelopes:
    """Sender, size and message id by host and queue id, for the lines about the same mail that come later."""

    def __init__(self) -> None:
        self._known: Recent[tuple[str | None, str], Mapping[str, Json]] = Recent(MESSAGES)

    def learn(self, host: str | None, queue_id: str, facts: Mapping[str, Json]) -> None:
        """Take in the line that a mail came in by; it clears what an earlier mail of the same id left behind."""
        self._known.put((host, queue_id), {name: facts[name] for name in _JOINED if name in facts})

    def about(self, host: str | None, queue_id: str) -> Mapping[str, Json]:
        """What is known of a mail by now; empty where its line has not come or has been forgotten."""
        return self._known.get((host, queue_id)) or {}

    def forget(self, host: str | None, queue_id: str) -> None:
        """The mail has left the queue."""
        self._known.forget((host, queue_id))


class TlsProofs:
    """Which hosts of a stream are seen to log their TLS sessions, so that a line without one is a line in the clear."""

    def __init__(self) -> None:
        self._seen: Recent[str | None, tuple[datetime, str]] = Recent(HOSTS)

    def logged(self, host: str | None, moment: datetime, event_id: str) -> None:
        """The host wrote a session into a line."""
        self._seen.put(host, (moment, event_id))

    def left_out(self, host: str | None) -> None:
        """The host used TLS and did not say how: it does not log its sessions, or no longer."""
        self._seen.forget(host)

    def evidence(self, host: str | None, moment: datetime) -> str | None:
        """The event id of a line that shows it, not further away than a day; None where nothing does."""
        known = self._seen.get(host)
        return known[1] if known is not None and abs(moment - known[0]) <= PROOF_LASTS else None
