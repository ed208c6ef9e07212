"""Who a message went to, as of its moment: the patient, a domain with an agreement, somebody else, or not known."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain.json import Json


class Standing(StrEnum):
    """ASSOCIATE has an agreement in force, EXPIRED had one, NO_AGREEMENT is registered without.

    NOT_ON_FILE is an address that is not the patient's on file, at a domain that is no partner. UNKNOWN is neither good nor bad.
    """

    OWN = "own"
    PATIENT = "patient"
    ASSOCIATE = "associate"
    EXPIRED = "expired"
    NO_AGREEMENT = "no_agreement"
    NOT_ON_FILE = "not_on_file"
    UNKNOWN = "unknown"

    @property
    def is_partner(self) -> bool:
        """Known to be another organisation than the patient's mailbox."""
        return self in (Standing.ASSOCIATE, Standing.EXPIRED, Standing.NO_AGREEMENT)


_WORST = (
    Standing.NO_AGREEMENT,
    Standing.EXPIRED,
    Standing.NOT_ON_FILE,
    Standing.UNKNOWN,
    Standing.ASSOCIATE,
    Standing.PATIENT,
    Standing.OWN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """`fact` says why, for people. `is_listed`: in the register, `baa_unsaid`: which does not say of a partner whether it has an
    agreement; `is_outside`: known not to be the own domain.

    `on_file` is the patient's address, '' where none is known; `address` the recipient's, '' where only the domain is known.
    """

    standing: Standing
    domain: str
    address: str = ""
    fact: str = ""
    is_listed: bool = False
    baa_unsaid: bool = False
    is_outside: bool = False
    mta_sts: str = ""
    patient_id: str = ""
    on_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A domain as the register had it. `baa` None where the register does not say."""

    kind: str
    baa: bool | None
    expires: date | None
    mta_sts: str


class Register:
    """The register of domains and its versions."""

    def __init__(self, versions: Iterable[tuple[datetime, Mapping[str, Json]]]) -> None:
        self._versions: dict[str, list[tuple[datetime, Listed]]] = {}
        for known_from, record in versions:
            domain = str(record.get("domain") or "").strip().rstrip(".").lower()
            self._versions.setdefault(domain, []).append((known_from, _listed(record)))

    @property
    def domains(self) -> Collection[str]:
        return self._versions.keys()

    def at(self, domain: str, moment: datetime) -> Listed | None:
        """What was registered of the domain, or else of the nearest domain above it."""
        labels = domain.split(".")
        for start in range(max(len(labels) - 1, 1)):
            if (versions := self._versions.get(".".join(labels[start:]))) is not None:
                place = bisect_right(versions, moment, key=lambda version: version[0])
                if place:
                    return versions[place - 1][1]
        return None


class Addresses:
    """Patients' e-mail addresses on file, as of a moment."""

    def __init__(self, rows: Iterable[tuple[str, str, datetime, datetime]]) -> None:
        """Rows are patient id, address, known from, known until."""
        self._of: dict[str, list[tuple[str, datetime, datetime]]] = {}
        for patient_id, address, since, until in rows:
            self._of.setdefault(patient_id, []).append((bare(address), since, until))

    def at(self, patient_id: str, moment: datetime) -> str:
        return next((address for address, since, until in self._of.get(patient_id, ()) if since <= moment < until), "")


class Recipients:
    """Tells who a recipient was."""

    def __init__(
        self,
        register: Register,
        addresses: Addresses,
        *,
        own_domain: str,
        zone: ZoneInfo,
        without_agreement: Collection[str],
        public_mailboxes: Collection[str],
    ) -> None:
        self._register = register
        self._addresses = addresses
        self._own = own_domain
        self._zone = zone
        self._free_of_agreement = without_agreement
        self._public = public_mailboxes

    def of(self, addresses: Sequence[str], domain: str, patient_id: str, moment: datetime) -> Recipient:
        """The recipient of a message, of several the one that speaks most against it. Without addresses, by the domain."""
        found = [bare(one) for one in addresses if "@" in one]
        each = [self._one(one, one.rpartition("@")[2], patient_id, moment) for one in found]
        if not each or (domain and domain not in {one.domain for one in each}):
            each.append(self._one("", domain, patient_id, moment))
        return each[0] if len(each) == 1 else min(each, key=lambda one: _WORST.index(one.standing))

    def _one(self, address: str, domain: str, patient_id: str, moment: datetime) -> Recipient:
        if not domain:
            return Recipient(standing=Standing.UNKNOWN, domain="", address=address, patient_id=patient_id)
        if self._own and (domain == self._own or domain.endswith(f".{self._own}")):
            return Recipient(standing=Standing.OWN, domain=domain, address=address, patient_id=patient_id)
        listed = self._register.at(domain, moment)
        on_file = self._addresses.at(patient_id, moment) if patient_id else ""
        is_public = listed is None or listed.kind in self._public
        standing, fact = Standing.UNKNOWN, ""
        if on_file and (address == on_file or (not address and is_public and domain == on_file.rpartition("@")[2])):
            standing = Standing.PATIENT
        elif listed is not None and (listed.baa or not is_public):
            standing, fact = self._partner(domain, listed, moment)
        elif on_file and self._register.domains:
            standing = Standing.NOT_ON_FILE
            fact = f"{domain} has no agreement on record, and the address is not the one on file for the patient"
        return Recipient(
            standing=standing,
            domain=domain,
            address=address,
            fact=fact,
            is_listed=listed is not None,
            baa_unsaid=listed is not None and listed.baa is None and not is_public,
            is_outside=self._own != "",
            mta_sts=listed.mta_sts if listed else "",
            patient_id=patient_id,
            on_file=on_file,
        )

    def _partner(self, domain: str, listed: Listed, moment: datetime) -> tuple[Standing, str]:
        what = f"{domain} is registered as {listed.kind or 'of no kind'}"
        if listed.kind in self._free_of_agreement:
            return Standing.ASSOCIATE, f"{what}, which needs no agreement"
        if listed.baa is None:
            return Standing.UNKNOWN, ""
        if not listed.baa:
            return Standing.NO_AGREEMENT, f"{what}, without a business associate agreement"
        if listed.expires is not None and listed.expires < moment.astimezone(self._zone).date():
            return Standing.EXPIRED, f"The business associate agreement with {domain} ran until {listed.expires.isoformat()}"
        return Standing.ASSOCIATE, ""


def bare(address: str) -> str:
    """An address for comparing: `Ann <Ann+news@Clinic.example>` is `ann@clinic.example`."""
    inner = address.rpartition("<")[2].strip(" >").rstrip(".").casefold()
    local, at, domain = inner.rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


def _listed(record: Mapping[str, Json]) -> Listed:
    baa, expires, sts = record.get("baa"), record.get("baa_expires"), record.get("mta_sts")
    if isinstance(sts, Mapping):
        sts = sts.get("mode") or sts.get("policy")
    return Listed(
        kind=str(record.get("kind") or "").lower(),
        baa=baa if isinstance(baa, bool) else None,
        expires=date.fromisoformat(expires[:10]) if isinstance(expires, str) and expires else None,
        mta_sts=sts.strip().lower() if isinstance(sts, str) else "",
    )
