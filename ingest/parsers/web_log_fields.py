"""One request of a web server's log as fields under one set of names, whatever it was written as.

The names are nginx's variables where there is one. What JSON keys, Apache's directives and other writers call the same thing is in
the tables here; a name that is in no table keeps its own.
"""

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import lru_cache
from ipaddress import IPv6Address

from domain.errors import InvalidInput
from ingest.parsers.addresses import ip_of
from ingest.parsers.instants import instant
from ingest.parsers.wall_times import from_epoch, moment_of

_SAME: Mapping[str, tuple[str, ...]] = {
    "remote_addr": (
        *("client_address", "client_ip", "clientip", "client_addr", "remote_ip", "remoteip", "remoteaddr", "client", "remote_host"),
        *("remotehost", "src_ip", "source_ip", "ip", "ip_address", "realip_remote_addr", "source_address", "remote"),
    ),
    "http_x_forwarded_for": (
        *("x_forwarded_for", "forwarded_for", "forwardedfor", "xff", "proxy_add_x_forwarded_for", "http_xff", "x_forwarded"),
        "xforwardedfor",
    ),
    "http_x_real_ip": ("x_real_ip", "real_ip", "http_true_client_ip", "http_cf_connecting_ip"),
    "remote_user": ("user", "auth", "username", "user_name", "remoteuser", "auth_user", "authuser", "httpuser"),
    "time": (
        *("time_iso8601", "time_local", "timestamp", "@timestamp", "date", "datetime", "msec", "time_msec", "ts", "date_time"),
        *("timelocal", "timeiso8601", "request_timestamp", "event_time"),
    ),
    "request": ("request_line", "requestline", "req", "message_request", "firstline", "first_line"),
    "request_method": ("method", "http_method", "verb", "requestmethod", "http_verb", "httpmethod", "http_request_method"),
    "request_uri": (
        *("uri", "url", "path", "request_path", "requestpath", "requesturi", "document_uri", "http_uri", "uri_path", "url_path"),
        *("url_original", "request_url", "http_url"),
    ),
    "query_string": ("args", "query", "querystring", "url_query", "uri_query"),
    "status": (
        *("response_status", "status_code", "response_code", "code", "http_status", "statuscode", "response", "http_status_code"),
        *("http_response_status_code", "httpstatus", "responsestatus"),
    ),
    "body_bytes_sent": (
        *(
            "bytes_sent",
            "bytes",
            "size",
            "response_size",
            "body_bytes",
            "bytessent",
            "response_bytes",
            "bodybytessent",
            "resp_size",
        ),
        *("http_response_body_bytes", "responsesize", "length"),
    ),
    "http_referer": ("http_referrer", "referer", "referrer", "http_request_referrer"),
    "http_user_agent": ("user_agent", "agent", "useragent", "ua", "httpuseragent", "user_agent_original"),
    "host": (
        *("http_host", "vhost", "virtual_host", "virtualhost", "server_name", "servername", "domain", "site", "url_domain"),
        "requesthost",
    ),
    "request_time": (
        "duration",
        "response_time",
        "request_duration",
        "time_taken",
        "responsetime",
        "requesttime",
        "elapsed",
        "took",
    ),
    "request_time_us": ("duration_us", "time_us", "response_time_us", "duration_micros", "request_time_micros", "microseconds"),
    "request_time_ms": ("duration_ms", "response_time_ms", "request_time_millis", "latency_ms", "duration_msec"),
    "server_protocol": ("http_version", "protocol", "proto", "http_protocol", "request_protocol", "httpversion", "requestprotocol"),
    "scheme": ("http_scheme", "request_scheme", "url_scheme"),
    "request_id": (
        "req_id",
        "requestid",
        "unique_id",
        "http_x_request_id",
        "x_request_id",
        "correlation_id",
        "trace_id",
        "traceid",
    ),
    "ssl_protocol": ("tls_version", "ssl_version", "tls_protocol", "sslprotocol"),
    "ssl_cipher": ("tls_cipher", "cipher", "sslcipher"),
    "upstream_addr": ("upstream", "upstream_address", "upstreamaddr", "upstream_host", "backend"),
    "upstream_status": ("upstreamstatus",),
    "upstream_response_time": ("upstream_time", "upstream_duration", "upstreamresponsetime"),
    "remote_port": ("client_port", "remoteport", "src_port"),
    "server_port": ("port", "serverport", "url_port"),
    "sent_http_content_type": ("content_type", "contenttype", "mime_type", "http_content_type"),
    "level": ("severity", "log_level", "loglevel"),
    "message": ("error_message", "errormessage", "error"),
    "pid": ("process_id", "processid"),
}
_NAMES = {other: name for name, others in _SAME.items() for other in (name, *others)}
_MARKS = re.compile(r"[^a-z0-9]+")

NOTHING = frozenset({"", "-", '"-"', "null", "none", "undefined"})
_MONTHS = {
    name: number
    for number, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)
}
CLF_TIME = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: [+-]\d{4})?"
"""The time of the common log format: `10/Oct/2000:13:55:36 -0700`, also with a fraction."""

_CLF = re.compile(
    r"(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?: (?P<offset>[+-]\d{4}))?",
    re.ASCII,
)
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_BETWEEN = re.compile(r"[,:\s]+")
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


@lru_cache(maxsize=4096)
def field_name(name: str) -> str:
    """Our name for a field, whatever the writer calls it: `clientIp`, `client-ip` and `http.request.method` are understood."""
    if len(name) > 64:
        return name[:64]
    plain = _MARKS.sub("_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
    return _NAMES.get(plain) or _NAMES.get(plain.replace("_", "")) or plain or "field"


def text_of_log(value: str) -> str | None:
    """The text that a log has for something, or None where it stands for nothing (`-`)."""
    return None if value.strip().lower() in NOTHING else value


def unescaped(text: str) -> str:
    """
    What was logged, before nginx (`\\x22`) or Apache (`\\"`, `\\n`, `\\xhh`) escaped it. Escaped bytes are read as UTF-8.
    """
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_escaped, text.encode()).decode("utf-8", "replace")


def _escaped(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if found[1] else _PLAIN.get(found[2], found[2])


def moment_of_log(text: str, zone: tzinfo) -> datetime:
    """
    The instant of a time in a log: common log format, ISO 8601, or seconds or milliseconds since 1970.

    Without an offset it is in `zone`. Raises InvalidInput, without the text.
    """
    return _moment(text.strip().strip("[]"), zone)


@lru_cache(maxsize=1024)
def _moment(text: str, zone: tzinfo) -> datetime:
    found = _CLF.fullmatch(text)
    if found is None:
        bare = text.replace(".", "", 1)
        if bare.isascii() and bare.isdigit():
            return from_epoch(text, "the time")
        return moment_of(text, "the time", zone=zone, formats=("iso",))
    month = _MONTHS.get(found["month"])
    if month is None:
        raise InvalidInput("the time is no date and time that exists")
    clock = f"{found['year']}-{month:02}-{found['day']}T{found['clock']}.{(found['fraction'] or '0')[:6]}"
    if found["offset"]:
        return instant(clock + found["offset"], "the time")
    return moment_of(clock, "the time", zone=zone, formats=("iso",))


def address_of(text: str | None) -> str | None:
    """The address of a client without its port: `1.2.3.4:5060`, `[2001:db8::1]:443`. None where it is no address."""
    if not text:
        return None
    bare = text.strip().strip('"()')
    if (found := ip_of(bare)) is not None:
        return _unmapped(found)
    host, colon, port = bare.rpartition(":")
    if colon and port.isascii() and port.isdecimal() and (found := ip_of(host.strip())) is not None:
        return _unmapped(found)
    return None


def _unmapped(address: str) -> str:
    """`::ffff:1.2.3.4` as the IPv4 address that it is (RFC 4291 §2.5.5.2)."""
    if not address.startswith("::ffff:"):
        return address
    mapped = IPv6Address(address).ipv4_mapped
    return address if mapped is None else str(mapped)


def whole(text: str | None) -> int | None:
    """A count in a log."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None


def milliseconds(text: str | None, unit: int) -> int | None:
    """A time span in milliseconds; `unit` is how many of the text's units are a second. Of several (retries), the sum."""
    if not text:
        return None
    total = 0.0
    seen = False
    for part in _BETWEEN.split(text):
        try:
            value = float(part)
        except ValueError:
            continue
        if 0 <= value < 10**9:
            total, seen = total + value, True
    return round(total * 1000 / unit) if seen else None
