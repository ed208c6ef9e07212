"""How the parameters of a report are said back to the reader, and what is said when there were too many rows."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from dashboards.reports.catalogue import Grouping, ReportParams
from dashboards.reports.wording import moment


def asked(params: ReportParams, zone: ZoneInfo) -> Mapping[str, str]:
    """The parameters as label and value, in the order in which they are read; what was not asked is left out."""
    pairs = {
        "Patient": params.patient_id,
        "Person or program": params.actor_id,
        "From": moment(params.since, zone),
        "Until, not including": moment(params.until, zone),
        "Grouped by": None if params.grouping is Grouping.NONE else params.grouping.value,
        "Asked by": params.by or None,
    }
    return {label: value for label, value in pairs.items() if value}


def limit_note(total: int, listed: int, what: str) -> list[str]:
    """A sentence when the report stops before the end, so that a part is never taken for the whole."""
    if listed >= total:
        return []
    part = f"This report lists the first {listed:,} of {total:,} {what}; tables and sums are of these."
    return [f"{part} Choose a shorter period, or use phitrail export, to get the rest."]
