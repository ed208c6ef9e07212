"""What people decided about accesses, read from the alerts they resolved: the labels of the ranking."""

from datetime import datetime

import polars as pl

from domain.clock import microseconds
from domain.finding import Disposition
from store.engine import Engine

TAUGHT = (Disposition.VIOLATION, Disposition.APPROPRIATE, Disposition.DOCUMENTATION_GAP)

# An alert that is resolved never changes: its newest version is the decision, shared by all accesses it cites. The facts are looked
# up by their key: there are many, and few are decided on.
_DECIDED = """
WITH decided AS (
    SELECT place.1 AS writer, place.2 AS seq, disposition, updated
    FROM (
        SELECT alert_id, argMax(status, version) AS state, argMax(disposition, version) AS disposition,
            max(updated) AS updated, argMax(arrayZip(evidence_writer, evidence_seq), version) AS places
        FROM alerts GROUP BY alert_id
        HAVING state = 'resolved' AND disposition IN {taught:Array(String)}
            AND updated < fromUnixTimestamp64Micro({before:Int64}, 'UTC')
    )
    ARRAY JOIN places AS place
)
SELECT facts.actor_id AS actor_id, facts.patient_id AS patient_id, facts.local_day AS day,
    decided.disposition AS disposition, max(decided.updated) AS decided_at
FROM (
    SELECT writer, seq, actor_id, patient_id, local_day FROM access_facts
    WHERE patient_id != '' AND (writer, seq) IN (SELECT writer, seq FROM decided)
) AS facts
INNER JOIN decided ON facts.writer = decided.writer AND facts.seq = decided.seq
GROUP BY actor_id, patient_id, day, disposition
ORDER BY decided_at, day, actor_id, patient_id, disposition
"""


class AlertVerdicts:
    """Reads decisions. The answer for a moment does not change: what is resolved stays as it was decided."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def decided_before(self, moment: datetime) -> pl.DataFrame:
        """Columns actor_id, patient_id, day (local), disposition, decided_at (UTC); by the moment of decision."""
        return self._engine.frame(_DECIDED, taught=[disposition.value for disposition in TAUGHT], before=microseconds(moment))
