"""Who the hospital mails with, and how well each of their servers speaks TLS."""

from dataclasses import dataclass
from datetime import date

from domain.json import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What a delivery met: version and cipher as OpenSSL names them, null for plain text; whether the certificate was verified."""

    version: str | None
    cipher: str | None
    verified: bool

    def record(self) -> dict[str, Json]:
        """`details.tls` of a mail event."""
        return {
            "version": self.version,
            "cipher": self.cipher,
            "verified": self.verified,
            "starttls_offered": self.version is not None,
        }


MODERN = Security(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", verified=True)
SOUND = Security(version="TLSv1.2", cipher="ECDHE-RSA-AES256-GCM-SHA384", verified=True)
UNVERIFIED = Security(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", verified=False)
UNVERIFIED_OLDER = Security(version="TLSv1.2", cipher="ECDHE-RSA-AES128-GCM-SHA256", verified=False)
ANCIENT = Security(version="TLSv1", cipher="ECDHE-RSA-AES256-SHA", verified=True)
OLD = Security(version="TLSv1.1", cipher="ECDHE-RSA-AES128-SHA", verified=True)
WEAK_CIPHER = Security(version="TLSv1.2", cipher="DES-CBC3-SHA", verified=True)
CLEAR = Security(version=None, cipher=None, verified=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondent:
    """A domain as the register of business partners knows it, and the security its server usually offers."""

    domain: str
    kind: str
    usual: Security = MODERN
    baa: bool = False
    baa_years: int = 0
    mta_sts: str = "none"

    def expires(self, today: date) -> date | None:
        """The end of the agreement, from the years it still runs."""
        return date(today.year + self.baa_years, 6, 30) if self.baa else None


WEBMAIL = (
    Correspondent(domain="postbox.example", kind="freemail", mta_sts="enforce"),
    Correspondent(domain="mailhaven.example", kind="freemail", mta_sts="enforce"),
    Correspondent(domain="quickmail.example", kind="freemail", mta_sts="testing"),
    Correspondent(domain="lettera.example", kind="freemail", usual=SOUND),
)
CLEAR_WEBMAIL = Correspondent(domain="homelink.example", kind="freemail", usual=CLEAR)
"""A small provider without TLS; some of its users asked for plain mail in writing."""

INSURERS = (
    Correspondent(domain="greenfield-health.example", kind="insurer", baa=True, baa_years=2, mta_sts="enforce"),
    Correspondent(domain="millbrook-mutual.example", kind="insurer", usual=SOUND, baa=True, baa_years=1),
)
PARTNERS = (
    Correspondent(domain="stonemere-hospital.example", kind="partner", baa=True, baa_years=3, mta_sts="enforce"),
    Correspondent(domain="easthill-clinic.example", kind="partner", baa=True, baa_years=1),
    Correspondent(domain="riverbend-rehab.example", kind="partner", usual=SOUND, baa=True, baa_years=2),
)
LABORATORIES = (Correspondent(domain="corelab.example", kind="lab", baa=True, baa_years=2, mta_sts="enforce"),)
FRAGILE = (
    Correspondent(domain="kiln-road-practice.example", kind="partner", baa=True, baa_years=1),
    Correspondent(domain="fallsview-dental.example", kind="partner", usual=SOUND, baa=True, baa_years=1),
    Correspondent(domain="orchard-physio.example", kind="partner", baa=True, baa_years=1),
)
"""Small practices that get discharge letters, and whose servers sometimes break."""

VENDORS = (
    Correspondent(domain="brightmail-campaigns.example", kind="marketing"),
    Correspondent(domain="office-paper.example", kind="vendor"),
    Correspondent(domain="meditech-parts.example", kind="vendor", usual=UNVERIFIED_OLDER),
    Correspondent(domain="health.state.example", kind="government", usual=SOUND, mta_sts="enforce"),
)
OLD_TOWN = (
    Correspondent(domain="oldtown-gazette.example", kind="other", usual=CLEAR),
    Correspondent(domain="parish-bulletin.example", kind="other", usual=CLEAR),
)
"""Readers of the newsletter whose servers never learned TLS."""

EVERYBODY = (*WEBMAIL, CLEAR_WEBMAIL, *INSURERS, *PARTNERS, *LABORATORIES, *FRAGILE, *VENDORS, *OLD_TOWN)
BY_DOMAIN = {correspondent.domain: correspondent for correspondent in EVERYBODY}
