"""Settings of looking at mail domains.

Off by default, because it tells name servers and policy hosts outside which domains this site writes to.
"""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _server(text: str) -> str:
    """An address with or without a port: 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:5353."""
    try:
        server_of(text)
    except ValueError:
        raise ValueError("a resolver is an IP address, with or without a port") from None
    return text


def server_of(text: str) -> tuple[str, int]:
    """Address and port. Raises ValueError."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not 0 < int(port) < 65_536:
        raise ValueError
    return str(ipaddress.ip_address(host)), int(port)


class PostureSettings(BaseModel):
    """What is looked at, how fast, and whom is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(False, description="look at the domains we send to once a day, over DNS and HTTPS; off: nothing is asked")
    resolvers: tuple[Annotated[str, AfterValidator(_server)], ...] = Field(
        (), description="addresses of resolvers, with or without a port, JSON array; unset: those of the system"
    )
    resolver_validates: bool = Field(
        False, description="they check DNSSEC signatures, and the way to them is trusted; else DANE is never known"
    )
    dkim_selectors: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")], ...] = Field(
        (), description="selectors of the DKIM keys of our own domain, JSON array"
    )
    most_domains: int = Field(500, ge=1, le=10_000, description="how many domains are looked at, those of the register first")
    domains_a_minute: int = Field(20, ge=1, le=600, description="how many of them a minute at most")
    timeout_seconds: int = Field(30, ge=1, le=120, description="how long one domain may take")
    ca_file: Path | None = Field(None, description="PEM CAs of policy hosts; unset: the system's")
