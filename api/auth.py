"""Who asks, and what their roles allow.

People come with a session cookie, programs with `Authorization: Bearer` and an API key. A cookie is sent by a browser whether or
not its user meant it, so what changes anything must also carry the session's form token; nothing makes a browser send a Bearer
header that a script did not set.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request, params

from api.problems import Forbidden, Unauthenticated
from api.services import Services
from domain.errors import NotFound
from domain.event import Actor, ActorKind
from ingest.spool.trouble import Trouble, trouble
from store.accounts import Role
from store.sessions import Session

SECURE_COOKIE = "__Host-phitrail"
LOOPBACK_COOKIE = "phitrail"
"""The `__Host-` prefix makes a browser insist on HTTPS, no domain and the root path; plain HTTP is for this machine only."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Permission(StrEnum):
    """What a route asks for."""

    SEND = "send records"
    READ_SYSTEM = "read the state of the system and its proofs"
    READ_PHI = "read events, patients and alerts"
    WORK_ALERTS = "acknowledge and resolve alerts"
    EXPORT = "take reports and exports"
    CONFIGURE = "configure the system"


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.COLLECTOR: frozenset({Permission.SEND}),
    Role.ANALYST: frozenset({Permission.READ_SYSTEM, Permission.READ_PHI, Permission.WORK_ALERTS}),
    Role.AUDITOR: frozenset({Permission.READ_SYSTEM, Permission.READ_PHI, Permission.EXPORT}),
    Role.PRIVACY_OFFICER: frozenset({Permission.READ_SYSTEM, Permission.READ_PHI, Permission.WORK_ALERTS, Permission.EXPORT}),
    Role.ADMIN: frozenset({Permission.READ_SYSTEM, Permission.CONFIGURE}),
}
"""Interfaces section 6: the administrator runs the system and sees no PHI; the auditor sees all and changes nothing."""


_SENDING = frozenset(role for role, granted in GRANTS.items() if Permission.SEND in granted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever asks. `session` is there when it is a person at the pages."""

    name: str
    kind: ActorKind
    roles: frozenset[Role]
    session: Session | None = None

    @property
    def actor(self) -> Actor:
        """How the ledger names them."""
        return Actor(id=self.name, kind=self.kind)

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles grants it."""
        return any(permission in GRANTS[role] for role in self.roles)


def needs(services: Services, permission: Permission) -> Callable[..., Principal]:
    """A dependency that gives the principal, for `Depends`. Raises Unauthenticated, or Forbidden without the permission."""

    def allowed(principal: Annotated[Principal, Depends(signed_in(services))]) -> Principal:
        if not principal.may(permission):
            raise Forbidden(f"This needs a role that may {permission.value}.")
        return principal

    return allowed


def sees_log(services: Services) -> list[params.Depends]:
    """Dependencies of the transparency-log routes: none where the log is public, else the right to read the system."""
    return [] if services.is_log_public else [Depends(needs(services, Permission.READ_SYSTEM))]


def signed_in(services: Services) -> Callable[..., Principal]:
    """A dependency that gives whoever asks, in any role. Raises Unauthenticated, or Forbidden for a form made elsewhere."""

    def known(request: Request, token: Annotated[str | None, Depends(form_token)]) -> Principal:
        principal = identify(services, request)
        if principal is None:
            raise Unauthenticated("Sign in, or send an API key as `Authorization: Bearer …`.")
        session = principal.session
        if session is not None and request.method not in _SAFE and not hmac.compare_digest(session.csrf, token or ""):
            raise Forbidden("The form was not made for this session; load the page again and repeat.")
        return principal

    return known


def identify(services: Services, request: Request) -> Principal | None:
    """Who asks, or None. Raises Unauthenticated for an API key that is not known: a program must notice."""
    header = request.headers.get("authorization", "")
    if header:
        scheme, _, text = header.partition(" ")
        principal = _program(services, text.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            raise Unauthenticated("This API key is not known, or was revoked.")
        return principal
    token = request.cookies.get(cookie_name(services, request))
    session = services.sessions.resume(token) if token else None
    if session is None:
        return None
    try:
        account = services.accounts.get(session.account)
    except NotFound:
        return None
    if account.disabled:
        return None
    return Principal(name=account.name, kind=ActorKind.STAFF, roles=account.roles, session=session)


def _program(services: Services, text: str) -> Principal | None:
    """The program with this key. While the store is away one that was known here lately may still send, and do nothing else."""
    try:
        key = services.keys.authenticate(text)
        roles = key.roles if key else frozenset()
    except Exception as error:
        if trouble(error) is not Trouble.AWAY:
            raise
        key = services.keys.remembered(text)
        roles = key.roles & _SENDING if key else frozenset()
        if not roles:
            raise
    return Principal(name=f"key:{key.key_id}", kind=ActorKind.SERVICE, roles=roles) if key else None


async def form_token(request: Request) -> str | None:
    """The form token of a request that changes something: header `X-CSRF-Token`, or the field `csrf` of a form."""
    if request.method in _SAFE:
        return None
    if header := request.headers.get("x-csrf-token"):
        return header
    if not request.headers.get("content-type", "").startswith(_FORMS):
        return None
    form = await request.form()
    value = form.get("csrf")
    return value if isinstance(value, str) else None


def is_secure(services: Services, request: Request) -> bool:
    """Whether the cookie is marked Secure: always, except over plain HTTP on this machine."""
    return services.is_proxied_tls or request.url.scheme == "https" or request.url.hostname not in _LOOPBACK


def cookie_name(services: Services, request: Request) -> str:
    """The name of the session cookie."""
    return SECURE_COOKIE if is_secure(services, request) else LOOPBACK_COOKIE


def client_address(request: Request) -> str:
    """The address the request came from, as far as the server knows it."""
    return request.client.host if request.client else ""
