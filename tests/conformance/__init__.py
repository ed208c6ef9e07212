"""How far the parsers agree with answer keys that other projects made for real records: `python -m tests.conformance [SAMPLES]`.

One module a family of formats, which maps the names of the keys to ours. Only fields that the parsers claim to read are counted. A
record that is neither an event nor quarantined would be the worst disagreement, so that is counted too.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.conformance import audit_messages, identity, mail_servers, microsoft, ocsf, postfix, web, webhooks
from tests.conformance.agreement import Agreement

__all__ = ["FAMILIES", "Agreement", "measure"]

FAMILIES: Mapping[str, Callable[[Path, Agreement], None]] = {
    "postfix": postfix.measure,
    "mail servers": mail_servers.measure,
    "fhir and atna": audit_messages.measure,
    "ocsf": ocsf.measure,
    "identity": identity.measure,
    "microsoft": microsoft.measure,
    "webhooks": webhooks.measure,
    "web": web.measure,
}


def measure(samples: Path, *families: str) -> Agreement:
    """Read the samples of these families, or of all."""
    agreement = Agreement()
    for family in families or FAMILIES:
        FAMILIES[family](samples, agreement)
    return agreement
