"""Reports: a question about the ledger, answered for people (HTML, PDF) and for machines (CSV, JSON), by name."""

from dashboards.reports.catalogue import Definition, Directory, Grouping, NoNames, ReportParams
from dashboards.reports.desk import DEFINITIONS, Format, Reports

__all__ = ["DEFINITIONS", "Definition", "Directory", "Format", "Grouping", "NoNames", "ReportParams", "Reports"]
