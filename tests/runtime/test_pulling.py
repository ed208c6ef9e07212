"""Connectors from settings: what is refused, what is never shown, and that they run and stop."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from domain.errors import ConfigError
from runtime.pull_settings import PullSettings
from runtime.pulling import pulling
from store.engine import Engine
from store.pull_cursors import PullCursors
from tests.support.clock import TickingClock
from tests.support.desk import Desk, desk, eventually
from tests.support.pull_servers import GoogleApi, ManagementApi, OktaApi, S3Api, is_signed, jwt_claims, serving
from tests.support.records import event_lines

OKTA = {
    "name": "okta",
    "kind": "okta",
    "source_system": "okta",
    "format": "ocsf",
    "base_url": "https://example.okta.com",
    "token": "s3cr3t",
}
MANAGEMENT = {
    "name": "m365",
    "kind": "management-activity",
    "source_system": "m365",
    "format": "ocsf",
    "tenant": "6b1c2f10-0000-4000-8000-000000000001",
    "client_id": "app",
    "client_secret": "hunter2",
}


@pytest.fixture
def at(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine, tmp_path / "node") as made:
        yield made


def settings(*connectors: dict[str, Any], **others: object) -> PullSettings:
    return PullSettings.model_validate({"connectors": connectors, **others})


def of(entry: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {name: value for name, value in {**entry, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "entry",
    [
        of(OKTA, kind="elsewhere"),
        of(OKTA, token=None),
        of(OKTA, token_file="/x"),
        of(OKTA, client_id="x"),
        of(OKTA, base_url="http://example.okta.com"),
        of(OKTA, base_url="https://user:pass@example.okta.com"),
        of(OKTA, unknown=1),
        of(OKTA, name="Not A Name"),
        of(OKTA, zone="Mars/Olympus"),
        of(MANAGEMENT, client_secret=None),
        of(MANAGEMENT, certificate="/x.pem"),
        of(MANAGEMENT, content_types=["Audit.Everything"]),
        of(MANAGEMENT, history_days=30),
        of(MANAGEMENT, tenant="../x"),
    ],
)
def test_settings_that_cannot_work_are_refused_without_showing_them(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(entry)

    assert "hunter2" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_two_connectors_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two connectors have the name okta"):
        settings(OKTA, OKTA)


def test_secrets_are_not_printed() -> None:
    made = settings(OKTA, MANAGEMENT, proxy="http://user:pr0xy@proxy.example:3128")

    shown = repr(made) + json.dumps(made.model_dump(mode="json"))

    assert not any(secret in shown for secret in ("s3cr3t", "hunter2", "pr0xy"))


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (of(OKTA, format="unheard-of"), "not known"),
        (of(OKTA, token=None, token_file="/nonexistent/token"), "cannot be read"),
        (of(OKTA, token="with\nnewline"), "the secret"),
        (of(MANAGEMENT, client_secret=None, certificate="/nonexistent.pem"), "cannot be read"),
        (of(OKTA, mapping="/nonexistent.toml"), "cannot be read"),
    ],
)
def test_what_only_shows_at_the_start_names_the_connector(at: Desk, engine: Engine, entry: dict[str, Any], complaint: str) -> None:
    with (
        pytest.raises(ConfigError, match=rf"pull connector {entry['name']}: .*{complaint}"),
        pulling(settings(entry), engine=engine, intake=at.intake, clock=at.clock),
    ):
        raise AssertionError("it started")


def test_connectors_run_each_in_its_thread_and_stop(at: Desk, engine: Engine, tmp_path: Path) -> None:
    clock = at.clock
    assert isinstance(clock, TickingClock)
    okta, office = OktaApi(clock), ManagementApi(clock)
    for number in range(3):
        okta.add(number, clock.now - timedelta(minutes=number + 1))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(event_lines(range(10, 15)))
    moment = clock.now.timestamp()
    os.utime(tmp_path / "logs" / "a.log", (moment, moment))
    (tmp_path / "token").write_text("sswsToken\n")
    with serving(okta), serving(office):
        made = settings(
            of(OKTA, base_url=okta.url, token=None, token_file=str(tmp_path / "token")),
            of(MANAGEMENT, base_url=office.url, login_url=office.url),
            {
                "name": "logs",
                "kind": "directory",
                "source_system": "ehr",
                "format": "phitrail",
                "path": str(tmp_path / "logs"),
            },
        )
        with pulling(made, engine=engine, intake=at.intake, clock=clock) as running:
            eventually(lambda: at.stored() == 8)
            eventually(lambda: all(state.pages or state.failures for state in running.states()))
            states = {state.name: state for state in running.states()}

    assert set(states) == {
        "okta",
        "m365/Audit.AzureActiveDirectory",
        "m365/Audit.Exchange",
        "m365/Audit.SharePoint",
        "m365/Audit.General",
        "logs",
    }
    assert states["okta"].failures == states["logs"].failures == 0
    # The imitation has no token endpoint below the tenant: it fails, goes on trying, and harms no other.
    assert "Entra ID gives no token" in str(states["m365/Audit.Exchange"].last_error)
    assert PullCursors(engine).get("okta").step > 0


def test_a_key_and_a_service_account_are_used_as_documented(at: Desk, engine: Engine, tmp_path: Path) -> None:
    clock = at.clock
    assert isinstance(clock, TickingClock)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    google = GoogleApi(clock)
    google.add(1, clock.now - timedelta(minutes=5))
    google.check_form = lambda form: is_signed(form.get("assertion", ""), key.public_key())
    account = {"client_email": "reader@example.iam", "private_key": pem, "private_key_id": "key-1"}
    (tmp_path / "key.json").write_text(json.dumps(account))
    with serving(google):
        entry = {
            "name": "google",
            "kind": "google-reports",
            "source_system": "google",
            "format": "ocsf",
            "key_file": str(tmp_path / "key.json"),
            "subject": "admin@clinic.example",
            "applications": ["login"],
            "base_url": google.url,
            "token_url": f"{google.url}/token",
        }
        with pulling(settings(entry), engine=engine, intake=at.intake, clock=clock):
            eventually(lambda: at.stored() == 1)

    form = next(request.form for request in google.requests if request.path == "/token")
    header, claims = jwt_claims(form["assertion"], key.public_key())
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert claims["iss"] == "reader@example.iam"
    assert claims["sub"] == "admin@clinic.example"
    assert claims["aud"] == f"{google.url}/token"
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_a_bucket_is_read_with_the_settings_of_aws_tools(at: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "synthetic"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_DEFAULT_REGION", "eu-central-1")):
        monkeypatch.setenv(name, value)
    api = S3Api(at.clock)
    api.put("mail/a.log", event_lines(range(3)))
    with serving(api):
        entry = {
            "name": "bucket",
            "kind": "s3",
            "source_system": "mail",
            "format": "phitrail",
            "bucket": "logs",
            "prefix": "mail/",
            "endpoint": api.url,
        }
        with pulling(settings(entry), engine=engine, intake=at.intake, clock=at.clock):
            eventually(lambda: at.stored() == 3)


def test_every_kind_has_the_format_of_its_records(at: Desk, engine: Engine, tmp_path: Path) -> None:
    """Nobody answers here, which each says in its own words and goes on trying."""
    nowhere = "http://127.0.0.1:9"
    entra = of(MANAGEMENT, format=None, base_url=nowhere, login_url=nowhere)
    entries = [
        of(OKTA, format=None, base_url=nowhere),
        of(entra, content_types=["DLP.All"]),
        of(entra, name="sign-ins", kind="graph-sign-ins"),
        of(entra, name="traces", kind="graph-message-traces"),
    ]
    with pulling(settings(*entries), engine=engine, intake=at.intake, clock=at.clock) as running:
        eventually(lambda: all(state.failures for state in running.states()))
        states = {state.name: state for state in running.states()}

    assert {name: state.format for name, state in states.items()} == {
        "okta": "okta",
        "m365/DLP.All": "m365-audit",
        "sign-ins": "entra-signin",
        "traces": "m365-message-trace",
    }
    assert states["okta"].last_error == "Okta cannot be reached"
    assert states["traces"].last_error == "Entra ID cannot be asked for a token (ConnectError)"
