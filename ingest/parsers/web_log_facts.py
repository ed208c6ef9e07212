"""What a line of an access log says of client, outcome and time, by the meaning of its fields."""

from collections.abc import Callable, Mapping

from ingest.parsers.addresses import is_inside
from ingest.parsers.web_log_fields import address_of, milliseconds, text_of_log, unescaped

_LONGEST = 2_048


def outcome_of_status(status: int | None, action: str) -> str | None:
    """
    By the status (RFC 9110 §15): 403 is `denied`, and 401 is unless it answers a login, which then failed.

    Other 4xx are failures as 5xx are: whoever got "not found" was shown nothing. None for what is no status.
    """
    if status is None or not 100 <= status <= 599:
        return None
    if status == 403 or (status == 401 and action != "login"):
        return "denied"
    return "failure" if status >= 400 else "success"


def client_of(fields: Mapping[str, str], proxies: int | None) -> tuple[str | None, str | None]:
    """
    The client's address and, where it is another, the peer that connected.

    `proxies` is how many of ours are in front. Each adds the peer it saw to the end of X-Forwarded-For, so that many from the end
    are not the client's own words. Where the number is not known, one is believed if the peer is at a private address, else none.
    """
    if listed := [found for part in fields.get("client_list", "").split(",") if (found := address_of(part))]:
        # Only the list is logged, not the peer: the last one from outside is the last that a proxy of ours can have seen.
        outside = [one for one in listed if not is_inside(one)]
        return listed[-min(proxies, len(listed))] if proxies else (outside or listed[:1])[-1], None
    peer = address_of(fields.get("remote_addr"))
    forwarded = [found for part in fields.get("http_x_forwarded_for", "").split(",") if (found := address_of(part))]
    if not forwarded and (real := address_of(fields.get("http_x_real_ip"))):
        forwarded = [real]
    believed = proxies if proxies is not None else 1 if peer is None or is_inside(peer) else 0
    if not forwarded or not believed:
        return peer, None
    client = forwarded[-min(believed, len(forwarded))]
    return client, peer if peer != client else None


def duration_of(fields: Mapping[str, str]) -> int | None:
    """How long the answer took, in milliseconds, whatever unit the log has."""
    for name, unit in (("request_time", 1), ("request_time_ms", 1_000), ("request_time_us", 1_000_000)):
        if (found := milliseconds(fields.get(name), unit)) is not None:
            return found
    return None


def host_of(text: str | None) -> tuple[str | None, str | None]:
    """The name of the site without the port, and the port."""
    if text is None:
        return None, None
    name, colon, port = text.rpartition(":")
    return (name, port) if colon and port.isdecimal() and (":" not in name or name.endswith("]")) else (text, None)


def shown(fields: Mapping[str, str], name: str, change: Callable[[str], str] = str) -> str | None:
    """The text of a field as it was before the server escaped it, `change`d; None where the log has nothing there."""
    value = fields.get(name)
    if value is None or (said := text_of_log(value)) is None:
        return None
    return change(unescaped(said)[:_LONGEST])
