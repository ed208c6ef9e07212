"""From bytes to events: one pure parser a format, and where a stream of bytes is cut into its records."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Protocol

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.record import Parsed
from ingest.parsers.apache import ApacheParser
from ingest.parsers.atna import AtnaParser
from ingest.parsers.authelia import AutheliaParser
from ingest.parsers.authentik import AuthentikParser, authentik_records
from ingest.parsers.cef import CefParser
from ingest.parsers.csv import CsvParser
from ingest.parsers.delimited import delimited_records
from ingest.parsers.dovecot import DovecotParser
from ingest.parsers.entra_signin import EntraSigninParser
from ingest.parsers.exchange_lines import exchange_tracking_records
from ingest.parsers.exchange_tracking import ExchangeTrackingParser
from ingest.parsers.exim import EximParser
from ingest.parsers.exim_records import exim_records
from ingest.parsers.fhir import FhirParser
from ingest.parsers.fhir_bundle import unbundled
from ingest.parsers.field_mapping import FieldMapping, mapping_names, read_mapping
from ingest.parsers.google_gmail import GoogleGmailParser
from ingest.parsers.google_records import google_reports_records
from ingest.parsers.google_reports import GoogleReportsParser
from ingest.parsers.json_records import json_records
from ingest.parsers.keycloak import KeycloakParser
from ingest.parsers.leef import LeefParser
from ingest.parsers.m365_audit import M365AuditParser
from ingest.parsers.m365_message_trace import M365MessageTraceParser
from ingest.parsers.m365_records import m365_records
from ingest.parsers.nginx import NginxParser, nginx_records
from ingest.parsers.ocsf import OcsfParser
from ingest.parsers.okta import OktaParser
from ingest.parsers.openemr import OpenEmrParser
from ingest.parsers.openemr_records import openemr_records
from ingest.parsers.otlp import OtlpLogsParser
from ingest.parsers.otlp_records import otlp_records
from ingest.parsers.phitrail import PhitrailParser
from ingest.parsers.postfix import PostfixParser
from ingest.parsers.records import MAX_RECORD, Feed, Oversize, lines
from ingest.parsers.route_mapping import RouteMapping, routes_of
from ingest.parsers.sendmail import SendmailParser
from ingest.parsers.tlsrpt import TlsrptParser
from ingest.parsers.tlsrpt_mail import tlsrpt_records
from ingest.parsers.webhook_formats import WEBHOOK_PARSERS
from ingest.parsers.webhook_records import WEBHOOK_SPLITTERS
from ingest.parsers.xml_records import xml_records
from ingest.parsers.zimbra import ZimbraParser
from ingest.parsers.zimbra_records import zimbra_records

__all__ = [
    "FORMATS",
    "MAPPED",
    "MAX_RECORD",
    "ROUTED",
    "Explanation",
    "FieldMapping",
    "Oversize",
    "Parser",
    "mapping_names",
    "parser_for",
    "read_explanation",
    "read_mapping",
    "split_records",
]

Explanation = FieldMapping | RouteMapping
"""What a file beside the data may say of a format: what its fields mean, or what its routes are."""


class Parser(Protocol):
    """
    Understands the records of one format.

    `parse` never raises and never answers with nothing: a record becomes events, each with the record's bytes, or one Rejected
    with the reason. It does no I/O. A parser may carry what earlier records of its stream said (Postfix says who the sender was
    in another line than where the mail went), so every stream gets its own, and one thread at a time.
    """

    @property
    def format(self) -> str: ...

    def parse(self, record: bytes) -> list[Parsed]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What a fresh parser is told; see `parser_for`."""

    system: str
    received: Clock
    zone: tzinfo
    tls_logging_proven: bool
    mapping: FieldMapping | None
    routes: RouteMapping | None


@dataclass(frozen=True, slots=True)
class _Format:
    """How a parser is made, how its stream is cut, and whether a file of fields or of routes may explain it."""

    make: Callable[[_Given], Parser]
    records: Callable[[Feed, int], Iterator[bytes | Oversize]]
    is_mapped: bool = False
    is_routed: bool = False


def _webhook(name: str) -> _Format:
    parser = WEBHOOK_PARSERS[name]
    return _Format(lambda g: parser(g.system, received=g.received, zone=g.zone), WEBHOOK_SPLITTERS[name])


_TABLE: Mapping[str, _Format] = {
    "phitrail": _Format(lambda g: PhitrailParser(g.system), json_records),
    # PHI access
    "fhir-auditevent": _Format(lambda g: FhirParser(g.system), lambda feed, limit: unbundled(json_records(feed, limit))),
    "atna": _Format(lambda g: AtnaParser(g.system), xml_records),
    "ocsf": _Format(lambda g: OcsfParser(g.system, mapping=g.mapping), json_records, is_mapped=True),
    "cef": _Format(lambda g: CefParser(g.system, received=g.received, zone=g.zone, mapping=g.mapping), lines, is_mapped=True),
    "leef": _Format(lambda g: LeefParser(g.system, received=g.received, zone=g.zone, mapping=g.mapping), lines, is_mapped=True),
    "openemr": _Format(lambda g: OpenEmrParser(g.system, mapping=g.mapping), openemr_records, is_mapped=True),
    "csv": _Format(lambda g: CsvParser(g.system, mapping=g.mapping), delimited_records, is_mapped=True),
    # Mail servers
    "postfix": _Format(
        lambda g: PostfixParser(g.system, received=g.received, zone=g.zone, tls_logging_proven=g.tls_logging_proven), lines
    ),
    "exim": _Format(
        lambda g: EximParser(g.system, received=g.received, zone=g.zone, tls_logging_proven=g.tls_logging_proven), exim_records
    ),
    "sendmail": _Format(
        lambda g: SendmailParser(g.system, received=g.received, zone=g.zone, tls_logging_proven=g.tls_logging_proven), lines
    ),
    "dovecot": _Format(lambda g: DovecotParser(g.system, received=g.received, zone=g.zone), lines),
    "zimbra": _Format(
        lambda g: ZimbraParser(g.system, received=g.received, zone=g.zone, tls_logging_proven=g.tls_logging_proven), zimbra_records
    ),
    "exchange-tracking": _Format(
        lambda g: ExchangeTrackingParser(g.system, received=g.received, zone=g.zone), exchange_tracking_records
    ),
    "tlsrpt": _Format(lambda g: TlsrptParser(g.system, received=g.received), tlsrpt_records),
    # Mail services
    "m365-message-trace": _Format(lambda g: M365MessageTraceParser(g.system, received=g.received, zone=g.zone), m365_records),
    "google-gmail": _Format(lambda g: GoogleGmailParser(g.system, mapping=g.mapping), json_records, is_mapped=True),
    **{name: _webhook(name) for name in WEBHOOK_PARSERS},
    # Identity, administration, portals
    "m365-audit": _Format(lambda g: M365AuditParser(g.system, mapping=g.mapping), m365_records, is_mapped=True),
    "entra-signin": _Format(lambda g: EntraSigninParser(g.system, mapping=g.mapping), m365_records, is_mapped=True),
    "google-reports": _Format(lambda g: GoogleReportsParser(g.system, mapping=g.mapping), google_reports_records, is_mapped=True),
    "okta": _Format(lambda g: OktaParser(g.system, mapping=g.mapping), json_records, is_mapped=True),
    "keycloak": _Format(
        lambda g: KeycloakParser(g.system, received=g.received, zone=g.zone, mapping=g.mapping), json_records, is_mapped=True
    ),
    "authentik": _Format(
        lambda g: AuthentikParser(g.system, received=g.received, zone=g.zone, mapping=g.mapping), authentik_records, is_mapped=True
    ),
    "authelia": _Format(
        lambda g: AutheliaParser(g.system, received=g.received, zone=g.zone, mapping=g.mapping), json_records, is_mapped=True
    ),
    "nginx": _Format(
        lambda g: NginxParser(g.system, received=g.received, zone=g.zone, routes=g.routes), nginx_records, is_routed=True
    ),
    "apache": _Format(lambda g: ApacheParser(g.system, received=g.received, zone=g.zone, routes=g.routes), lines, is_routed=True),
    "otlp-logs": _Format(lambda g: OtlpLogsParser(g.system, received=g.received, mapping=g.mapping), otlp_records, is_mapped=True),
}
FORMATS = tuple(sorted(_TABLE))
MAPPED = frozenset(name for name, known in _TABLE.items() if known.is_mapped)
"""Formats whose fields a mapping file may explain."""

ROUTED = frozenset(name for name, known in _TABLE.items() if known.is_routed)
"""Formats of web servers, to which a route file says what was done by a request."""


def read_explanation(text: str, format: str | None = None) -> Explanation:  # noqa: A002
    """The file that explains a format; without one, of whichever kind it is. Raises InvalidInput naming every problem."""
    if format in ROUTED:
        return routes_of(text)
    try:
        return read_mapping(text)
    except InvalidInput:
        if format is not None:
            raise
        try:
            return routes_of(text)
        except InvalidInput:
            pass
        raise


def parser_for(
    format: str,  # noqa: A002 (the field's name everywhere)
    *,
    source_system: str,
    received: Clock,
    zone: tzinfo = UTC,
    tls_logging_proven: bool = False,
    mapping: Explanation | None = None,
) -> Parser:
    """
    A fresh parser for one stream of `format`.

    `received` gives the moment of receipt: it settles the year that RFC 3164 time stamps leave out, and stands in for a time
    that a log line does not have at all. `zone` is what such time stamps are in. `tls_logging_proven` says that the Postfix at
    the other end logs every TLS session (smtp_tls_loglevel ≥ 1), so that a delivery without a TLS line was in the clear.
    `mapping` says what the sender of a format in MAPPED calls our fields, and in which zone its times are: rows of tables (csv,
    openemr) have no other zone, and without one a time without an offset is refused. For a format in ROUTED it says what its routes
    are.
    Raises InvalidInput for a format that is not known, naming those that are, for an unusable source system, and for a mapping that
    the format does not take or that names too little for it.
    """
    if not 0 < len(source_system) <= 128:
        raise InvalidInput("the source system needs a name of 1 to 128 characters")
    known = _TABLE.get(format)
    if known is None:
        raise _unknown(format)
    routes, fields = (mapping, None) if isinstance(mapping, RouteMapping) else (None, mapping)
    if fields is not None and not known.is_mapped:
        what = "takes a file of routes" if known.is_routed else "takes no mapping"
        raise InvalidInput(f"{format} {what}; formats whose fields can be mapped: {', '.join(sorted(MAPPED))}")
    if routes is not None and not known.is_routed:
        raise InvalidInput(f"{format} has no routes; formats that do: {', '.join(sorted(ROUTED))}")
    given = _Given(
        system=source_system,
        received=received,
        zone=zone,
        tls_logging_proven=tls_logging_proven,
        mapping=fields,
        routes=routes,
    )
    return known.make(given)


def split_records(
    format: str,  # noqa: A002 (the field's name everywhere)
    chunks: Iterable[bytes],
    *,
    max_record: int = MAX_RECORD,
) -> Iterator[bytes | Oversize]:
    """
    Cut a stream of bytes into the records of `format`, holding at most about `max_record` bytes and one chunk.

    Blank lines are no records. A record longer than `max_record` bytes comes as an Oversize; those after it come as usual.
    Raises InvalidInput for a format that is not known.
    """
    known = _TABLE.get(format)
    if known is None:
        raise _unknown(format)
    return known.records(Feed(chunks), max_record)


def _unknown(format: str) -> InvalidInput:  # noqa: A002
    return InvalidInput(f"the format {format[:40]!r} is not known; known formats: {', '.join(FORMATS)}")
