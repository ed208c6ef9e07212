"""Network addresses and identifiers as records spell them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import getaddresses, parseaddr
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_INSIDE: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(net)
    for net in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)

LONGEST_HEADER_LINE = 998
"""Characters (RFC 5322 §2.1.1): what is longer is no mailbox."""

_LONGEST_LIST = 8 * 1024
"""Characters of a list of mailboxes that are read by the grammar, which costs microseconds a character."""

_ADDRESSES = re.compile(r"(?<![^\s<>,;:\"()\[\]@])[^\s<>,;:\"()\[\]@]++@[^\s<>,;:\"()\[\]@]++")


@lru_cache(maxsize=4096)
def ip_of(text: str | None) -> str | None:
    """The IP address in its one usual spelling, or None where the text is none.

    `[…]` and Postfix's `IPv6:` are taken off. An IPv4 address that IPv6 carries (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) is
    that address.
    """
    if not text:
        return None
    try:
        address = ip_address(text.strip().strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return None
    carried = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(carried or address)


@lru_cache(maxsize=4096)
def is_inside(ip: str) -> bool:
    """True for loopback, link-local and private addresses (RFC 1918, RFC 4193): the hop did not leave the organisation."""
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    return any(address in net for net in _INSIDE if net.version == address.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request came from: an IP address, and the name of the machine where it was given."""

    ip: str | None = None
    machine: str | None = None


def origin_of(points: Iterable[str]) -> Origin:
    """The first IP address and the first machine name among network access points; URLs name services, not machines."""
    ip = machine = None
    for point in points:
        if found := ip_of(point):
            ip = ip or found
        elif "://" not in point:
            machine = machine or point[:512]
    return Origin(ip=ip, machine=machine)


def patient_identifier(text: str) -> tuple[str, str | None]:
    """
    The bare patient id and its assigning authority, from any spelling in use.

    HL7 v2 CX `82^^^HOSP&1.2.3&ISO` (of several joined by `~` the first), a FHIR reference `…/Patient/82/_history/1`,
    a FHIR token `urn:oid:1.2.3|82`, or the id alone.
    """
    first = text.strip()
    if "^" in first:
        parts = first.split("~", 1)[0].split("^")
        authority = parts[3].replace("&amp;", "&").strip("&") if len(parts) > 3 else ""
        return parts[0].strip() or first, authority or None
    if "Patient/" in first:
        return first.rsplit("Patient/", 1)[1].split("/", 1)[0] or first, None
    system, bar, value = first.partition("|")
    if bar and value:
        return value, system or None
    return first, None


def mailbox_address(text: str) -> str:
    """The bare address of a mailbox with or without a name (RFC 5322 §3.4); empty where there is none.

    Comments and groups nested without end are none: the standard library follows them by recursion.
    """
    if len(text) > LONGEST_HEADER_LINE:
        return ""
    try:
        return parseaddr(text)[1].strip()
    except RecursionError:
        return ""


def mailbox_addresses(text: str) -> list[str]:
    """The bare addresses in a list of mailboxes; of a list beyond all measure those that are plainly written."""
    if len(text) > _LONGEST_LIST:
        return _ADDRESSES.findall(text)
    try:
        return [address for _, address in getaddresses([text]) if "@" in address]
    except RecursionError:
        return _ADDRESSES.findall(text)
