"""Reports before analytics has come by, and before anything is signed."""

from dataclasses import replace
from pathlib import Path

from dashboards.reports import Reports
from store.engine import Engine
from store.reports import ReportQuestions
from tests.dashboards.reports_cast import MARCH, ZONE, hospital
from tests.support.clock import TickingClock


def test_mail_that_was_not_examined_is_counted(engine: Engine, tmp_path: Path) -> None:
    with hospital(engine, tmp_path) as desk:
        engine.execute("TRUNCATE TABLE delivery_facts")

        document = desk.document("insecure-deliveries", MARCH)

    assert "1 mail event of the period had not been examined yet and can be missing here." in document.notes


def test_a_ledger_without_checkpoint_is_said_to_have_none(engine: Engine) -> None:
    empty = Reports(ReportQuestions(engine), TickingClock(), organisation="", zone=ZONE)

    text = empty.report("patient-access", replace(MARCH, patient_id="P-1"), "html").decode()

    assert "The ledger had no signed checkpoint when this report was made" in text
    assert empty.report("insecure-deliveries", MARCH, "pdf").startswith(b"%PDF-1.7")
