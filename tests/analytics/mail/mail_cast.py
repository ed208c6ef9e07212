"""A register, addresses and a way to judge one message about P-1, whose address on file is anna.berger@postbox.example."""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from analytics.consents import Word
from analytics.domain_history import NOTHING, Past
from analytics.mail_policy import Judgement, Sent, default_policy, judge_sent
from analytics.recipients import Addresses, Recipient, Recipients, Register
from domain.json import Json
from domain.tls import judge
from store.context_rows import ALWAYS, NEVER

NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
VERIFIED: Json = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "verified": True}
CLEAR: Json = {"version": None}
UNVERIFIED: Json = {"version": "TLSv1.3", "verified": False}
DOMAINS: tuple[dict[str, Json], ...] = (
    {"domain": "lab.example", "kind": "lab", "baa": True, "baa_expires": "2026-12-31", "mta_sts": "enforce"},
    {"domain": "old.example", "kind": "vendor", "baa": True, "baa_expires": "2026-03-01"},
    {"domain": "today.example", "kind": "vendor", "baa": True, "baa_expires": "2026-03-02"},
    {"domain": "paper.example", "kind": "vendor", "baa": False},
    {"domain": "silent.example", "kind": "vendor"},
    {"domain": "postbox.example", "kind": "freemail", "baa": False, "mta_sts": "testing"},
)


def recipients(*, domains: tuple[dict[str, Json], ...] = DOMAINS, own: str = "hospital.example") -> Recipients:
    policy = default_policy().recipients
    return Recipients(
        Register((ALWAYS, domain) for domain in domains),
        Addresses([("P-1", "anna.berger@postbox.example", ALWAYS, NEVER)]),
        own_domain=own,
        zone=ZONE,
        without_agreement=policy.without_agreement,
        public_mailboxes=policy.public_mailboxes,
    )


def recipient(address: str, patient_id: str = "P-1") -> Recipient:
    return recipients().of([address], "", patient_id, NOON)


def judged(
    to: str = "anna.berger@postbox.example",
    *,
    tls: Json | None = VERIFIED,
    phi: bool | None = True,
    encryption: str = "none",
    category: str = "letter",
    patient_id: str = "P-1",
    opted_in: bool = False,
    auto_forwarded: bool = False,
    mta_sts: tuple[str, str] = ("", ""),
    marketing: Word | None = None,
    consents_kept: bool = True,
    past: Past = NOTHING,
    known: Recipients | None = None,
) -> Judgement:
    """The judgement; `tls` None where the source says nothing."""
    details: Mapping[str, Json] = {} if tls is None else {"tls": tls}
    sent = Sent(
        moment=NOON,
        day=NOON.astimezone(ZONE).date(),
        phi=phi,
        category=category,
        encryption=encryption,
        auto_forwarded=auto_forwarded,
        tls=judge(details),
        recipient=(known or recipients()).of([to], "", patient_id, NOON),
        opted_in=opted_in,
        mta_sts=mta_sts,
        marketing=marketing,
        consents_kept=consents_kept,
        past=past,
        outbound=True,
    )
    return judge_sent(sent, default_policy())
