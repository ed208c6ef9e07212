"""Where a report is asked for: name, parameters and format in, bytes out.

The same question over the same record at the same moment gives the same bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from dashboards.reports.as_csv import csv_chunks
from dashboards.reports.as_html import render_html
from dashboards.reports.as_json import json_chunks
from dashboards.reports.as_pdf import render_pdf
from dashboards.reports.baa_register import BAA_REGISTER
from dashboards.reports.catalogue import Definition, Desk, Directory, NoNames, ReportParams
from dashboards.reports.consent_register import CONSENT_REGISTER
from dashboards.reports.document import NAMELESS, Document, LedgerState
from dashboards.reports.domain_posture import DOMAIN_POSTURE
from dashboards.reports.insecure_deliveries import INSECURE_DELIVERIES
from dashboards.reports.log_source_coverage import LOG_SOURCE_COVERAGE
from dashboards.reports.patient_access import PATIENT_ACCESS
from dashboards.reports.tls_ledger import TLS_LEDGER
from dashboards.reports.wording import listing
from domain.checkpoint import Head
from domain.clock import Clock
from domain.errors import InvalidInput
from store.mail_reports import MailTerms
from store.reports import ReportQuestions

ROW_LIMIT = 20_000
"""Rows of one report: about four seconds of PDF, and more than a person reads."""

DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        one.name: one
        for one in (
            PATIENT_ACCESS,
            INSECURE_DELIVERIES,
            TLS_LEDGER,
            BAA_REGISTER,
            CONSENT_REGISTER,
            DOMAIN_POSTURE,
            LOG_SOURCE_COVERAGE,
        )
    }
)


class Format(StrEnum):
    """What a report can be written as."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"


_RENDERERS: Mapping[Format, Callable[[Document], Iterator[bytes]]] = {
    Format.HTML: lambda document: iter((render_html(document),)),
    Format.PDF: lambda document: iter((render_pdf(document),)),
    Format.CSV: csv_chunks,
    Format.JSON: json_chunks,
}


class Reports:
    """Makes reports. `zone` is the organisation's: days and hours are its own."""

    def __init__(
        self,
        questions: ReportQuestions,
        clock: Clock,
        *,
        organisation: str,
        zone: ZoneInfo,
        directory: Directory | None = None,
        row_limit: int = ROW_LIMIT,
        terms: MailTerms | None = None,
    ) -> None:
        """`terms` are the words of the mail policy; without them no mail counts as marketing, and no message as sealed."""
        self._questions = questions
        self._clock = clock
        self._organisation = organisation or NAMELESS
        self._zone = zone
        self._directory = directory or NoNames()
        self._row_limit = row_limit
        self._terms = terms or MailTerms()

    def report(self, name: str, params: ReportParams, format: str) -> bytes:  # noqa: A002 - the word of the command line
        """The report `name` as `format` (html, pdf, csv, json).

        Raises InvalidInput for an unknown name or format, a missing patient, or a period that ends before it begins.
        """
        return b"".join(self.chunks(name, params, format))

    def chunks(self, name: str, params: ReportParams, format: str) -> Iterator[bytes]:  # noqa: A002 - the word of the command line
        """The same bytes a piece at a time: of CSV and JSON, which may have a million rows, only some are in memory.

        Raises InvalidInput as `report` does, before there is a piece.
        """
        render = _RENDERERS[_format(format)]
        return render(self.document(name, params))

    def document(self, name: str, params: ReportParams) -> Document:
        """The report before it has a format. Raises InvalidInput as `report` does."""
        definition = DEFINITIONS.get(name)
        if definition is None:
            raise InvalidInput(f"there is no report named {name!r}: choose {listing(sorted(DEFINITIONS))}")
        if definition.needs_patient and not params.patient_id:
            raise InvalidInput(f"the report {name} is about one patient: say which")
        if params.since >= params.until:
            raise InvalidInput("the period ends before it begins")
        desk = Desk(
            questions=self._questions,
            directory=self._directory,
            organisation=self._organisation,
            zone=self._zone,
            generated_at=self._clock(),
            ledger=ledger_state(self._questions),
            row_limit=self._row_limit,
            terms=self._terms,
        )
        return definition.build(desk, params)


def ledger_state(questions: ReportQuestions) -> LedgerState:
    """What the ledger has signed by now, as reports quote it."""
    signed = questions.signed()
    if signed is None:
        return LedgerState()
    heads = [Head.parse(line) for line in signed.heads.splitlines()]
    return LedgerState(heads=[(head.origin, head.size, head.root.hex()) for head in heads], note=signed.note)


def _format(name: str) -> Format:
    wanted = name.lower().lstrip(".")
    if wanted == "xlsx":
        raise InvalidInput("reports are not written as Excel workbooks (.xlsx) yet: take .csv, which Excel opens")
    try:
        return Format(wanted)
    except ValueError:
        raise InvalidInput(f"a report cannot be written as {name!r}: choose {listing([one.value for one in Format])}") from None
