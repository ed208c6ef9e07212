"""From bytes to events: one pure parser a format, and where a stream of bytes is cut into its records."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, tzinfo
from typing import Protocol

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.record import Parsed
from ingest.parsers.atna import AtnaParser
from ingest.parsers.cef import CefParser
from ingest.parsers.csv import CsvParser
from ingest.parsers.delimited import delimited_records
from ingest.parsers.dovecot import DovecotParser
from ingest.parsers.exim import EximParser
from ingest.parsers.exim_records import exim_records
from ingest.parsers.fhir import FhirParser
from ingest.parsers.fhir_bundle import unbundled
from ingest.parsers.field_mapping import FieldMapping, mapping_names, read_mapping
from ingest.parsers.json_records import json_records
from ingest.parsers.leef import LeefParser
from ingest.parsers.ocsf import OcsfParser
from ingest.parsers.openemr import OpenEmrParser
from ingest.parsers.openemr_records import openemr_records
from ingest.parsers.phitrail import PhitrailParser
from ingest.parsers.postfix import PostfixParser
from ingest.parsers.records import MAX_RECORD, Feed, Oversize, lines
from ingest.parsers.sendmail import SendmailParser
from ingest.parsers.xml_records import xml_records
from ingest.parsers.zimbra import ZimbraParser
from ingest.parsers.zimbra_records import zimbra_records

__all__ = [
    "FORMATS",
    "MAPPED",
    "MAX_RECORD",
    "FieldMapping",
    "Oversize",
    "Parser",
    "mapping_names",
    "parser_for",
    "read_mapping",
    "split_records",
]


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


_SPLITTERS: dict[str, Callable[[Feed, int], Iterator[bytes | Oversize]]] = {
    "phitrail": json_records,
    "fhir-auditevent": lambda feed, limit: unbundled(json_records(feed, limit)),
    "atna": xml_records,
    "postfix": lines,
    "exim": exim_records,
    "sendmail": lines,
    "dovecot": lines,
    "zimbra": zimbra_records,
    "ocsf": json_records,
    "cef": lines,
    "leef": lines,
    "openemr": openemr_records,
    "csv": delimited_records,
}
FORMATS = tuple(sorted(_SPLITTERS))
MAPPED = frozenset({"csv", "cef", "leef", "ocsf", "openemr"})
"""Formats that a mapping file may explain."""


def parser_for(
    format: str,  # noqa: A002 (the field's name everywhere)
    *,
    source_system: str,
    received: Clock,
    zone: tzinfo = UTC,
    tls_logging_proven: bool = False,
    mapping: FieldMapping | None = None,
) -> Parser:
    """
    A fresh parser for one stream of `format`.

    `received` gives the moment of receipt: it settles the year that RFC 3164 time stamps leave out, and stands in for a time
    that a log line does not have at all. `zone` is what such time stamps are in. `tls_logging_proven` says that the Postfix at
    the other end logs every TLS session (smtp_tls_loglevel ≥ 1), so that a delivery without a TLS line was in the clear.
    `mapping` says what the sender of a format in MAPPED calls our fields, and in which zone its times are: rows of tables (csv,
    openemr) have no other zone, and without one a time without an offset is refused.
    Raises InvalidInput for a format that is not known, naming those that are, for an unusable source system, and for a mapping that
    the format does not take or that names too little for it.
    """
    if not 0 < len(source_system) <= 128:
        raise InvalidInput("the source system needs a name of 1 to 128 characters")
    if mapping is not None and format in FORMATS and format not in MAPPED:
        raise InvalidInput(f"{format} takes no mapping; formats that do: {', '.join(sorted(MAPPED))}")
    match format:
        case "phitrail":
            return PhitrailParser(source_system)
        case "fhir-auditevent":
            return FhirParser(source_system)
        case "atna":
            return AtnaParser(source_system)
        case "postfix":
            return PostfixParser(source_system, received=received, zone=zone, tls_logging_proven=tls_logging_proven)
        case "exim":
            return EximParser(source_system, received=received, zone=zone, tls_logging_proven=tls_logging_proven)
        case "sendmail":
            return SendmailParser(source_system, received=received, zone=zone, tls_logging_proven=tls_logging_proven)
        case "dovecot":
            return DovecotParser(source_system, received=received, zone=zone)
        case "zimbra":
            return ZimbraParser(source_system, received=received, zone=zone, tls_logging_proven=tls_logging_proven)
        case "ocsf":
            return OcsfParser(source_system, mapping=mapping)
        case "cef":
            return CefParser(source_system, received=received, zone=zone, mapping=mapping)
        case "leef":
            return LeefParser(source_system, received=received, zone=zone, mapping=mapping)
        case "openemr":
            return OpenEmrParser(source_system, mapping=mapping)
        case "csv":
            return CsvParser(source_system, mapping=mapping)
    raise _unknown(format)


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
    splitter = _SPLITTERS.get(format)
    if splitter is None:
        raise _unknown(format)
    return splitter(Feed(chunks), max_record)


def _unknown(format: str) -> InvalidInput:  # noqa: A002
    return InvalidInput(f"the format {format[:40]!r} is not known; known formats: {', '.join(FORMATS)}")
