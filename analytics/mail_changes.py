"""Changes of mail settings: whether one made mail less safe, from what the administrators' logs of the products say.

Exchange and Purview name a cmdlet (`Remove-TransportRule`) and its parameters, Google an event and old and new values; the outward
form may say `setting`, `old` and `new`, or `weakened` itself. What none of this explains is not known to be one or the other.
"""

import re
from collections.abc import Mapping

from domain.json import Json

_GUARD = (
    r"(?:transportrule|dlp\w+|\w*compliance(?:policy|rule)|(?:in|out)boundconnector|journalrule|hosted\w+filter\w+|"
    r"malwarefilter\w+|antiphish\w+|safe\w+|atp\w+|quarantinepolicy)"
)
_GONE = re.compile(rf"(?:remove|disable|uninstall)-{_GUARD}")
_BACK = re.compile(rf"(?:enable|install)-{_GUARD}")
_GONE_EVENT = re.compile(r"(?:delete|remove|disable|deactivate)_\w*(?:rule|policy|setting|compliance|transport|protection)\w*")
_MODES_OFF = frozenset({"audit", "auditandnotify", "testwithnotifications", "testwithoutnotifications", "disable", "disabled"})
_MORE = re.compile(r"enforce\w*|require\w*|mandatory|forced?|exclusive|encrypt\w*|strict|reject|quarantine|on|true|yes|enabled?|1")
_LESS = re.compile(r"none|testing|opportunistic|may|optional|off|false|no|disabled?|allow|audit|0|")


def weakened(details: Mapping[str, Json]) -> bool | None:
    """Whether the change made mail less safe; None where that cannot be told."""
    said = details.get("weakened")
    if isinstance(said, bool):
        return said
    operation = _word(details.get("event_type")) or _word(details.get("operation"))
    event = _word(details.get("event_name"))
    if _GONE.fullmatch(operation) or _GONE_EVENT.fullmatch(event):
        return True
    if _BACK.fullmatch(operation):
        return False
    inner = details.get("parameters")
    given = {name.lower(): _word(value) for name, value in inner.items()} if isinstance(inner, Mapping) else {}
    by_parameters = _by_parameters(given)
    return _by_values(details, given) if by_parameters is None else by_parameters


def _by_parameters(given: Mapping[str, str]) -> bool | None:
    """By parameters of Exchange cmdlets that switch TLS, a rule or a policy off or on."""
    if given.get("requiretls") == "false" or given.get("enabled") == "false" or given.get("state") == "disabled":
        return True
    if given.get("mode", "") in _MODES_OFF or given.get("suspendsecuretransport") == "true":
        return True
    if "tlssettings" in given:
        return given["tlssettings"] in ("", "none", "encryptiononly")
    if given.get("requiretls") == "true" or given.get("enabled") == "true" or given.get("mode") in ("enforce", "enable"):
        return False
    return None


def _by_values(details: Mapping[str, Json], given: Mapping[str, str]) -> bool | None:
    pairs = (("old", "new"), ("old_value", "new_value"), ("before", "after"))
    for former, latter in pairs:
        for place in (details, given):
            if former in place and latter in place:
                old, new = _word(place[former]), _word(place[latter])
                if _MORE.fullmatch(old) and _LESS.fullmatch(new):
                    return True
                if _MORE.fullmatch(new) and (old == new or _LESS.fullmatch(old)):
                    return False
    return None


def _word(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip().lower() if isinstance(value, str | int) else ""
