"""A route file (TOML): which requests of a site's application are which actions, on whose record, by whom.

    log_format = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_x_user"'  # where needed
    proxies = 1  # of ours in front of the server, where X-Forwarded-For is to be believed

    [defaults]
    source = "portal"
    actor = ["http_x_user", "remote_user"]   # fields of the log, the first that is filled
    actor_kind = "patient"

    [[route]]
    method = "GET"
    path = "/portal/results/{result_id}"
    action = "view_results"

    [[route]]
    path = "/api/patients/{patient_id}/notes"
    action = "view_notes"
    source = "access"
    actor_kind = "staff"

    [[route]]
    path = "/chart/open"
    action = "view_chart"
    query = { patient_id = "pid" }

A template is matched segment by segment: `{name}` is one segment and captured, `{name*}` the rest and captured, `*` one segment,
`**` the rest. Captured `patient_id` and `actor_id` are those of the event, everything else is in its details. The first route that
fits counts. Everything captured is in the private part of the event: it can be erased, and is shown only to who may see PHI.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from domain.errors import InvalidInput
from domain.event import ActorKind, Source
from ingest.parsers.web_log_fields import field_name
from ingest.parsers.web_log_format import Reader, format_reader
from ingest.parsers.web_log_routes import Route, RouteMapping, by_first_segment

__all__ = ["RouteMapping", "routes_of"]

_LOG_SOURCES = (Source.ACCESS, Source.PORTAL)
_MOST_ROUTES = 2_000
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_CAPTURE = re.compile(r"\{(?P<name>[^{}*]*)(?P<rest>\*?)\}")
_ACTION = re.compile(r"[a-z][a-z0-9_]{0,127}")
_METHOD = re.compile(r"[A-Z-]{1,20}")
_ROUTE_KEYS = ("method", "path", "host", "action", "source", "actor", "actor_kind", "query", "module")
_DEFAULT_KEYS = ("source", "actor", "actor_kind")


def routes_of(text: str) -> RouteMapping:
    """The routes in the text of a route file. Raises InvalidInput that names everything wrong with it at once."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the route file is not valid TOML: {error}") from None
    reader = _Reader(document)
    mapping = reader.mapping()
    if reader.problems:
        raise InvalidInput(f"the route file cannot be used: {'; '.join(reader.problems)}")
    return mapping


class _Reader:
    """Reads the parts of a route file and collects what is wrong with them."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document
        self.problems: list[str] = []

    def mapping(self) -> RouteMapping:
        self._known("", self._document, ("log_format", "proxies", "defaults", "route"))
        defaults = self._document.get("defaults", {})
        if not isinstance(defaults, dict):
            self.problems.append("defaults is no table")
            defaults = {}
        self._known("defaults.", defaults, _DEFAULT_KEYS)
        source = self._source("defaults", defaults) or Source.ACCESS
        actor = self._actor("defaults", defaults) or ("remote_user",)
        actor_kind = self._actor_kind("defaults", defaults)
        rules = self._document.get("route", [])
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            self.problems.append("route is no list of tables ([[route]])")
            rules = []
        if len(rules) > _MOST_ROUTES:
            self.problems.append(f"there are more than {_MOST_ROUTES} routes")
        read = [
            self._route(f"route {number}", rule, source, actor, actor_kind) for number, rule in enumerate(rules[:_MOST_ROUTES], 1)
        ]
        routes = [route for route in read if route is not None]
        return RouteMapping(
            routes=routes,
            source=source,
            actor=actor,
            actor_kind=actor_kind,
            read_line=self._log_format(),
            proxies=self._proxies(),
            _by_first=by_first_segment(routes),
        )

    def _route(
        self, place: str, rule: Mapping[str, object], source: Source, actor: Sequence[str], actor_kind: ActorKind | None
    ) -> Route | None:
        self._known(f"{place}: ", rule, _ROUTE_KEYS)
        action, template = rule.get("action"), rule.get("path")
        if not isinstance(action, str) or not _ACTION.fullmatch(action):
            self.problems.append(f"{place}: action is no word of small letters, digits and _")
            action = ""
        if not isinstance(template, str) or not template.startswith("/"):
            self.problems.append(f"{place}: path is no template that begins with /")
            return None
        segments, names, rest, has_rest = self._template(place, template)
        query = rule.get("query", {})
        if not isinstance(query, dict) or not all(isinstance(value, str) and value for value in query.values()):
            self.problems.append(f"{place}: query is no table of our names to names in the query")
            query = {}
        taken = [name for name in [*names, rest] if name]
        if len(set(taken) | query.keys()) != len(taken) + len(query):
            self.problems.append(f"{place}: a name is captured twice")
        for name in [*query, *taken]:
            if not _NAME.fullmatch(name):
                self.problems.append(f"{place}: a captured name has other than small letters, digits and _")
        return Route(
            template=template[:512],
            segments=segments,
            names=names,
            rest=rest,
            has_rest=has_rest,
            methods=frozenset(self._methods(place, rule.get("method"))),
            hosts=frozenset(host.lower() for host in self._texts(place, "host", rule.get("host"))),
            action=action,
            source=self._source(place, rule) or source,
            actor=self._actor(place, rule) or actor,
            actor_kind=self._actor_kind(place, rule) or actor_kind,
            module=next(iter(self._texts(place, "module", rule.get("module"))), None),
            query=dict(query),
        )

    def _template(self, place: str, template: str) -> tuple[list[str | None], list[str | None], str | None, bool]:
        segments: list[str | None] = []
        names: list[str | None] = []
        parts = [part for part in template.split("/") if part]
        for number, part in enumerate(parts, 1):
            is_last = number == len(parts)
            capture = _CAPTURE.fullmatch(part)
            if part == "**" or (capture is not None and capture["rest"]):
                if not is_last:
                    self.problems.append(f"{place}: the rest of a path can only stand at its end")
                return segments, names, capture["name"] if capture else None, True
            if capture is None and ("{" in part or "}" in part):
                self.problems.append(f"{place}: braces are for a whole segment, as in /{{name}}/")
            segments.append(None if capture is not None or part == "*" else unquote(part))
            names.append(capture["name"] if capture is not None else None)
        return segments, names, None, False

    def _log_format(self) -> Reader | None:
        text = self._document.get("log_format")
        if text is None:
            return None
        try:
            if isinstance(text, str) and len(text) <= 4_096:
                return format_reader(text)
            self.problems.append("log_format is no text of at most 4096 characters")
        except InvalidInput as error:
            self.problems.append(str(error))
        return None

    def _proxies(self) -> int | None:
        value = self._document.get("proxies")
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 20):
            return value
        self.problems.append("proxies is no number from 0 to 20")
        return None

    def _known(self, place: str, table: Mapping[str, object], names: Sequence[str]) -> None:
        self.problems += [f"{place}{name} is not known; known are {', '.join(names)}" for name in sorted(table.keys() - set(names))]

    def _texts(self, place: str, name: str, value: object) -> list[str]:
        values = value if isinstance(value, list) else [] if value is None else [value]
        if all(isinstance(one, str) and one.strip() for one in values):
            return [str(one).strip() for one in values]
        self.problems.append(f"{place}: {name} is neither a text nor a list of texts")
        return []

    def _methods(self, place: str, value: object) -> list[str]:
        methods = [method.upper() for method in self._texts(place, "method", value)]
        if any(not _METHOD.fullmatch(method) for method in methods):
            self.problems.append(f"{place}: method is no HTTP method")
        return [] if methods == ["ANY"] else methods

    def _source(self, place: str, table: Mapping[str, object]) -> Source | None:
        value = table.get("source")
        if value is None or value in _LOG_SOURCES:
            return Source(str(value)) if value is not None else None
        self.problems.append(f"{place}: source is not one of {', '.join(_LOG_SOURCES)}")
        return None

    def _actor(self, place: str, table: Mapping[str, object]) -> Sequence[str]:
        return tuple(field_name(name) for name in self._texts(place, "actor", table.get("actor")))

    def _actor_kind(self, place: str, table: Mapping[str, object]) -> ActorKind | None:
        value = table.get("actor_kind")
        if value is None:
            return None
        if value in tuple(ActorKind):
            return ActorKind(str(value))
        self.problems.append(f"{place}: actor_kind is not one of {', '.join(ActorKind)}")
        return None
