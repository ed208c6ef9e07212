"""Whether a change of a mail setting made mail less safe."""

import pytest

from analytics.mail_changes import weakened
from domain.json import Json


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"event_type": "Remove-TransportRule"}, True),
        ({"event_type": "Disable-DlpPolicy"}, True),
        ({"event_type": "Enable-TransportRule"}, False),
        ({"event_type": "Set-OutboundConnector", "parameters": {"TlsSettings": "None"}}, True),
        ({"event_type": "Set-OutboundConnector", "parameters": {"TlsSettings": "DomainValidation"}}, False),
        ({"event_type": "Set-SendConnector", "parameters": {"RequireTLS": "False"}}, True),
        ({"event_type": "Set-DlpCompliancePolicy", "parameters": {"Mode": "TestWithoutNotifications"}}, True),
        ({"event_type": "Set-DlpCompliancePolicy", "parameters": {"Mode": "Enable"}}, False),
        ({"event_type": "Set-TransportRule", "parameters": {"Name": "x"}}, None),
        ({"event_name": "DELETE_GMAIL_SETTING"}, True),
        ({"event_name": "CHANGE_GMAIL_SETTING", "parameters": {"OLD_VALUE": "true", "NEW_VALUE": "false"}}, True),
        ({"event_name": "CREATE_DATA_PROTECTION_RULE"}, None),
        ({"setting": "tls", "old": "enforce", "new": "none"}, True),
        ({"setting": "tls", "old": "none", "new": "enforce"}, False),
        ({"setting": "tls", "old": "enforce", "new": "enforce"}, False),
        ({"setting": "banner", "old": "red", "new": "blue"}, None),
        ({"weakened": True}, True),
        ({"weakened": "yes", "parameters": 4}, None),
        ({}, None),
    ],
)
def test_changes(details: dict[str, Json], expected: bool | None) -> None:
    assert weakened(details) is expected
