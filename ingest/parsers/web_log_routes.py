"""Which requests are which actions: the routes of a site, compiled once, and how a path is matched. `route_mapping` reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from domain.event import ActorKind, Source
from ingest.parsers.web_log_format import Reader

PATIENT = "patient_id"
ACTOR = "actor_id"
"""Names in a template that are fields of the event; others are details."""

_LONGEST_VALUE = 512
_DEEPEST_PATH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a route says of a request; `captured` by the names in its template and its `query`."""

    route: str
    action: str
    source: Source
    actor: Sequence[str]
    actor_kind: ActorKind | None
    module: str | None
    captured: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule, compiled. No methods and no hosts are any. `depth` is the number of segments, None where the rest may follow."""

    template: str
    segments: Sequence[str | None]
    names: Sequence[str | None]
    rest: str | None
    has_rest: bool
    methods: frozenset[str]
    hosts: frozenset[str]
    action: str
    source: Source
    actor: Sequence[str]
    actor_kind: ActorKind | None
    module: str | None
    query: Mapping[str, str]

    def captured(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the names in the template, or None where the path is another."""
        if len(segments) != len(self.segments) and not (self.has_rest and len(segments) >= len(self.segments)):
            return None
        found: dict[str, str] = {}
        for literal, name, segment in zip(self.segments, self.names, segments, strict=False):
            if literal is not None:
                if literal != segment:
                    return None
            elif not segment:
                return None
            elif name is not None:
                found[name] = segment[:_LONGEST_VALUE]
        if self.rest is not None:
            found[self.rest] = "/".join(segments[len(self.segments) :])[:_LONGEST_VALUE]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMapping:
    """
    The routes of a site, and what holds for its other requests. Empty, every request is a `http_request` of source `access`.

    `read_line` reads lines in the site's own log format; None where it is one that is known. `proxies` are how many of the site's
    own stand in front of the server (see `client_of`); None where the file does not say.
    """

    routes: Sequence[Route] = ()
    source: Source = Source.ACCESS
    actor: Sequence[str] = ("remote_user",)
    actor_kind: ActorKind | None = None
    read_line: Reader | None = None
    proxies: int | None = None
    _by_first: Mapping[str | None, Sequence[Route]] = field(default_factory=dict, repr=False)

    def match(
        self, method: str | None, path: str, *, host: str | None = None, query: Mapping[str, str] | None = None
    ) -> Match | None:
        """The first route that a request fits. `path` is as sent, without its query."""
        segments = path_segments(path)
        if len(segments) > _DEEPEST_PATH:
            return None
        candidates = self._by_first.get(segments[0] if segments else None)
        for route in self._by_first.get("*", ()) if candidates is None else candidates:
            if route.methods and method not in route.methods:
                continue
            if route.hosts and (host or "").lower().partition(":")[0] not in route.hosts:
                continue
            captured = route.captured(segments)
            if captured is None:
                continue
            for name, parameter in route.query.items():
                if value := (query or {}).get(parameter, "").strip():
                    captured[name] = value[:_LONGEST_VALUE]
            return Match(
                route=route.template,
                action=route.action,
                source=route.source,
                actor=route.actor,
                actor_kind=route.actor_kind,
                module=route.module,
                captured=captured,
            )
        return None


def path_segments(path: str) -> list[str]:
    """
    The segments of a path as a server sees them: percent-decoded, without empty ones, `.` and `..` resolved (RFC 3986 §5.2.4).

    A slash that is encoded stays in its segment.
    """
    found: list[str] = []
    for part in path.split("/", _DEEPEST_PATH * 4):
        segment = unquote(part) if "%" in part else part
        if segment == "..":
            del found[-1:]
        elif segment not in ("", "."):
            found.append(segment)
    return found


def by_first_segment(routes: Sequence[Route]) -> dict[str | None, Sequence[Route]]:
    """The routes that a path can fit, by its first segment, in their order; `*` for a first segment that no template names."""

    def fits(route: Route, first: str | None) -> bool:
        return route.segments[0] in (first, None) if route.segments else route.has_rest

    firsts = {route.segments[0] for route in routes if route.segments} - {None}
    index: dict[str | None, Sequence[Route]] = {first: [route for route in routes if fits(route, first)] for first in firsts}
    index["*"] = [route for route in routes if fits(route, None)]
    index[None] = [route for route in routes if not route.segments]
    return index
