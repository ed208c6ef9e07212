"""What the methods of Google Cloud's own audit logs are called here, and how they ended (google.rpc.Code)."""

from collections.abc import Mapping

from ingest.parsers.audit_codes import snake
from ingest.parsers.google_bigquery import integer

_PRIVILEGES = frozenset({"setiampolicy", "createrole", "updaterole", "deleterole", "undeleterole", "setorgpolicy"})
_CREDENTIALS = frozenset({"createserviceaccountkey", "uploadserviceaccountkey"})
_REFUSED = frozenset({7, 16})
"""PERMISSION_DENIED and UNAUTHENTICATED."""


def cloud_action(method: str) -> str:
    """The action of a method: `google.logging.v2.ConfigServiceV2.DeleteSink` stops an audit, others keep the method's name."""
    last = method.rpartition(".")[2]
    lower = last.lower()
    if lower == "deletesink":
        return "audit_stop"
    if lower == "createsink":
        return "audit_start"
    if lower in _PRIVILEGES:
        return "privilege_change"
    if lower in _CREDENTIALS:
        return "credential_create"
    return snake(last)


def cloud_outcome(status: Mapping[str, object]) -> str:
    """`success` without a status code, `denied` where permission or identity was missing, else `failure`."""
    code = integer(status.get("code")) or 0
    if code == 0:
        return "success"
    return "denied" if code in _REFUSED else "failure"
