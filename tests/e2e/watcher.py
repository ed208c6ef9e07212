"""A node whose rows are changed behind its back; prints the alerts that its scheduled verification raises, twice."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.clock import system_clock
from runtime.node import open_node
from runtime.product import build
from runtime.settings import Settings
from tests.support.cast import chart_view

if __name__ == "__main__":
    data_dir = Path(sys.argv[1])
    settings = Settings.model_validate({"data_dir": data_dir, "ledger": {"anchor_dir": data_dir.parent / "copies"}})
    with open_node(settings, system_clock) as node:
        product = build(node)
        node.ledger.append([chart_view(n) for n in range(20)])
        node.keeper.checkpoint()
        product.verify()
        node.base.engine.execute("ALTER TABLE events UPDATE actor_id = 'bob' WHERE seq = 5")
        for _ in range(2):
            product.verify()
        alerts = list(product.alerts.between(datetime(1990, 1, 1, tzinfo=UTC), system_clock() + timedelta(days=1)))
        print(json.dumps([[alert.kind, alert.severity, alert.version, *alert.explanation] for alert in alerts]))
        product.close()
