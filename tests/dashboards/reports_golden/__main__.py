"""`python -m tests.dashboards.reports_golden` writes the golden reports anew; look at the difference before it is committed."""

import tempfile
from pathlib import Path

from store.engine import Engine
from tests.dashboards.mail_reports_cast import clinic
from tests.dashboards.reports_cast import hospital
from tests.dashboards.test_mail_reports import golden_mail_reports
from tests.dashboards.test_reports import GOLDEN, golden_reports
from tests.retention.old_ledger import emptied

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, Engine.embedded(Path(folder)) as engine:
        engine.migrate()
        with hospital(engine, Path(folder)) as desk:
            for name, content in golden_reports(desk).items():
                (GOLDEN / name).write_bytes(content)
        (GOLDEN / "mail").mkdir(exist_ok=True)
        with clinic(emptied(engine), Path(folder) / "clinic") as desk:
            for name, content in golden_mail_reports(desk).items():
                (GOLDEN / name).write_bytes(content)
