"""OCSF against the ECS fields of another project."""

from collections.abc import Mapping
from pathlib import Path

from domain.event import AuditEvent
from tests.conformance.agreement import Agreement, Reading, detail, keyed, leaves, parse

_OCSF: Mapping[str, tuple[str, Reading]] = {
    "@timestamp": ("time", lambda event: event.time.isoformat().replace("+00:00", "Z")),
    "source.ip": ("ip", lambda event: event.ip),
    "host.hostname": ("device", lambda event: event.device and event.device.id),
    "event.outcome": ("outcome", lambda event: event.outcome),
    "event.reason": ("message", detail("message")),
    "ocsf.class_name": ("class", detail("class")),
    "ocsf.class_uid": ("class_uid", detail("class_uid")),
    "ocsf.activity_name": ("activity", lambda event: str(event.details["activity"]).capitalize()),
    "event.severity": ("severity", lambda event: _kept(event, "severity_id")),
    "user_agent.original": ("user_agent", lambda event: _kept(event, "http_request", "user_agent")),
    "cloud.region": ("region", lambda event: _kept(event, "cloud", "region")),
}


def measure(samples: Path, agreement: Agreement) -> None:
    """Read every OCSF sample under `samples`."""
    for record, row, expected in keyed(samples / "ocsf", "sekoia_ocsf"):
        _compare(agreement, record, str(row["message"]).encode(), expected)


def _kept(event: AuditEvent, *path: str) -> object:
    value: object = event.details["ocsf"]
    for name in path:
        value = value[name] if isinstance(value, Mapping) else None
    return value


def _compare(agreement: Agreement, record: str, message: bytes, expected: Mapping[str, object]) -> None:
    """The key's `user.target` is who a login was for, which is our actor; elsewhere that is `user`."""
    (parsed,) = parse("ocsf", [message])
    agreement.account("ocsf", [parsed])
    if not isinstance(parsed, AuditEvent):
        return
    wanted = dict(leaves(expected))
    for path, value in wanted.items():
        if path in _OCSF:
            name, read = _OCSF[path]
            agreement.compare("ocsf", name, record, value, read(parsed))
    agreement.compare("ocsf", "actor", record, wanted.get("user.target.name") or wanted["user.name"], parsed.actor.id)
