"""Which services may send mail in the name of the organisation, as of a moment, and whether one that did is among them.

The register of domains says it: records of the kind `sender` name domains that sign or bounce our mail, those of the kind `service`
name sending services and source systems; `sends: true` makes any other record both. Each half is asked only from the moment on that
the register has a record of its kind, so that a site without a register is accused of nothing.

What counts as evidence, the surest first: the domain that signed (DKIM `d=`, RFC 6376 section 3.5), the domain of the envelope
(RFC 5321 section 4.1.1.2), the name of the service. In reports about our domain (RFC 7489 section 7.2) only what passed counts:
what did not is somebody who pretends, and no service that somebody here uses.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.json import Json
from store.deliveries import DeliveryFact

_SENDERS, _SERVICES = "sender", "service"
_SENDING = frozenset({"deliver", "forward", "mail_accepted", "dmarc_report"})
_NOT_SENT = frozenset({"failure", "denied", "dropped", "bounced", "deferred"})
_PASSED = frozenset({"pass", "passed", "true"})


class Senders:
    """The part of the register that says who may send."""

    def __init__(self, versions: Iterable[tuple[datetime, Mapping[str, Json]]]) -> None:
        """Versions of records of `domains.jsonl` with the moment since which each was knowledge, those of one domain in order."""
        self._of: dict[str, dict[str, list[tuple[datetime, bool]]]] = {_SENDERS: {}, _SERVICES: {}}
        for known_from, record in versions:
            name = str(record.get("domain") or "").strip().rstrip(".").lower()
            kind, sends = str(record.get("kind") or "").lower(), record.get("sends")
            for half, known in self._of.items():
                may = sends is not False and (kind == half or sends is True)
                if may or name in known:
                    known.setdefault(name, []).append((known_from, may))
        self._since = {half: min((one[0][0] for one in known.values()), default=None) for half, known in self._of.items()}

    def is_kept(self, half: str, moment: datetime) -> bool:
        """Whether the register had said by then who may send: of `sender` domains, or of `service` names."""
        since = self._since[half]
        return since is not None and since <= moment

    def has_domain(self, domain: str, moment: datetime) -> bool:
        """Whether a domain, or one above it, was approved."""
        labels = domain.split(".")
        return any(self._may(_SENDERS, ".".join(labels[start:]), moment) for start in range(len(labels)))

    def has_service(self, name: str, moment: datetime) -> bool:
        return self._may(_SERVICES, name, moment)

    def _may(self, half: str, name: str, moment: datetime) -> bool:
        versions = self._of[half].get(name, [])
        place = bisect_right(versions, moment, key=lambda version: version[0])
        return place > 0 and versions[place - 1][1]


def sent_by(base: DeliveryFact, senders: Senders, own: str) -> tuple[str, str]:
    """What sent a message in our name without being approved, and a sentence that says so; '' and '' where nothing is to say."""
    entry, details = base.entry, base.entry.details
    if (
        entry.action not in _SENDING
        or entry.outcome in _NOT_SENT
        or base.direction in ("inbound", "internal")
        or base.auto_forwarded
    ):
        return "", ""
    if senders.is_kept(_SERVICES, entry.time) and entry.action != "dmarc_report":
        service = _word(details.get("sending_service")) or entry.source_system.lower()
        if service and not senders.has_service(service, entry.time):
            return service, f"Sent by {service}, which the register does not have as an approved sender"
    if not senders.is_kept(_SENDERS, entry.time) or not own or not _in_our_name(base, own):
        return "", ""
    signed = _passed(details, "dkim", _signers(details)) if entry.action == "dmarc_report" else _signers(details)
    bounced = _domain_of(details.get("spf_domain") or details.get("envelope_from") or details.get("from"))
    enveloped = [bounced] if bounced else []
    if entry.action == "dmarc_report":
        enveloped = _passed(details, "spf", enveloped)
    seen = signed or enveloped
    if not seen or any(_is_under(one, own) or senders.has_domain(one, entry.time) for one in seen):
        return "", ""
    how = "Signed" if signed else "Sent with the envelope"
    return seen[0], f"{how} by {seen[0]}, which the register does not have as an approved sender"


def _in_our_name(base: DeliveryFact, own: str) -> bool:
    """The author (RFC 5322 From) is ours; without one, the mailbox that sent it."""
    author = base.entry.details.get("header_from") or base.entry.actor_id
    return _is_under(_domain_of(author), own)


def _signers(details: Mapping[str, Json]) -> list[str]:
    given = details.get("dkim_domain")
    if given is None and isinstance(details.get("dkim"), Mapping):
        dkim = details["dkim"]
        given = dkim.get("domain") or dkim.get("d") if isinstance(dkim, Mapping) else None
    several = given if isinstance(given, list | tuple) else (given,)
    return [domain for one in several if (domain := _domain_of(one))]


def _passed(details: Mapping[str, Json], way: str, domains: list[str]) -> list[str]:
    result = details.get(way)
    if isinstance(result, Mapping):
        result = result.get("result")
    return domains if result is True or _word(result) in _PASSED else []


def _domain_of(value: Json) -> str:
    """Of an address or a domain; '' for the null sender and what is neither."""
    text = _word(value).strip("<> ").rpartition("@")[2].rstrip(".")
    return text if "." in text and " " not in text else ""


def _is_under(domain: str, above: str) -> bool:
    return domain == above or domain.endswith(f".{above}")


def _word(value: Json) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
