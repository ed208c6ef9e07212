"""Settings: every problem at once, secrets from files and never printed, typing errors refused."""

from pathlib import Path

import pytest

from domain.errors import ConfigError
from runtime.settings import load


def test_defaults_need_no_environment(tmp_path: Path) -> None:
    settings = load({"HOME": "/nowhere"}, data_dir=tmp_path)

    assert settings.data_dir == tmp_path
    assert settings.state_dir == tmp_path / "state"
    assert settings.base_url == "http://127.0.0.1:8080"


def test_groups_are_separated_by_two_underscores() -> None:
    settings = load({"PHITRAIL_HTTP__PORT": "9000", "PHITRAIL_RETENTION__YEARS": "10", "PHITRAIL_SYSLOG__TLS_PORT": "none"})

    assert (settings.http.port, settings.retention.years, settings.syslog.tls_port) == (9000, 10, None)


def test_a_secret_may_come_from_a_file_and_is_not_printed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\n", encoding="utf-8")

    settings = load(
        {"PHITRAIL_ALERTS__WEBHOOK__URL": "https://hooks.example/x", "PHITRAIL_ALERTS__WEBHOOK__SECRET_FILE": str(secret)}
    )

    assert settings.alerts.webhook is not None
    assert settings.alerts.webhook.secret.get_secret_value() == "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
    assert "c2VjcmV0" not in settings.model_dump_json()
    assert "c2VjcmV0" not in repr(settings)


def test_every_problem_is_named_at_once_without_the_values() -> None:
    with pytest.raises(ConfigError) as refused:
        load(
            {
                "PHITRAIL_HTTP__PROT": "1",
                "PHITRAIL_RETENTION__YEARS": "5",
                "PHITRAIL_LEDGER__CHECKPOINT_SECONDS": "soon-secret",
                "PHITRAIL_CLICKHOUSE__URL_FILE": "/does/not/exist",
            }
        )

    message = str(refused.value)
    for part in ("http.prot", "retention.years", "ledger.checkpoint_seconds", "PHITRAIL_CLICKHOUSE__URL_FILE"):
        assert part in message
    assert "soon-secret" not in message


def test_a_retention_below_six_years_is_no_setting() -> None:
    with pytest.raises(ConfigError, match=r"retention\.years"):
        load({"PHITRAIL_RETENTION__YEARS": "5"})


def test_a_certificate_comes_with_its_key() -> None:
    with pytest.raises(ConfigError, match="together"):
        load({"PHITRAIL_SYSLOG__CERTIFICATE": "/c.pem"})


def test_recipients_are_a_list() -> None:
    settings = load(
        {
            "PHITRAIL_ALERTS__EMAIL__HOST": "mail.example",
            "PHITRAIL_ALERTS__EMAIL__SENDER": "a@example.org",
            "PHITRAIL_ALERTS__EMAIL__RECIPIENTS": '["b@example.org"]',
            "PHITRAIL_ALERTS__EMAIL__CA_FILE": "/ca.pem",
        }
    )

    assert settings.alerts.email is not None
    assert settings.alerts.email.recipients == ("b@example.org",)
    assert settings.alerts.email.ca_file == Path("/ca.pem")
