"""Signing in and out. Both, and every failed attempt, are events in the ledger."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth import Principal, client_address, cookie_name, identify, is_secure, signed_in
from api.own_events import UNKNOWN_ACTOR, record
from api.problems import Forbidden, TooManyAttempts, Unauthenticated
from api.services import Services
from dashboards.render import render
from dashboards.views import Chrome
from domain.errors import NotFound
from domain.event import Actor, ActorKind
from store.accounts import Account
from store.sessions import LONGEST


def router(services: Services) -> APIRouter:
    """`/login` and `/logout`."""
    routes = APIRouter(tags=["session"], include_in_schema=False)

    def form(request: Request, message: str = "", *, status: int = 200, target: str = "", retry_after: int = 0) -> HTMLResponse:
        is_exposed = request.url.scheme == "http" and is_secure(services, request) and not services.is_proxied_tls
        chrome = Chrome(site=services.site(), now=services.clock(), version=services.version)
        headers = {"Retry-After": str(retry_after)} if retry_after else {}
        page = render("login.html", chrome, {"message": message, "target": target, "is_exposed": is_exposed})
        return HTMLResponse(page, status_code=status, headers=headers)

    @routes.get("/login")
    def show_login(request: Request, next: str = "") -> Response:  # noqa: A002 - the parameter's public name
        """The form; whoever is signed in already goes on."""
        try:
            known = identify(services, request)
        except Unauthenticated:
            known = None
        return RedirectResponse(own_path(next), status_code=303) if known else form(request, target=own_path(next))

    @routes.post("/login")
    def login(
        request: Request,
        name: Annotated[str, Form(max_length=256)] = "",
        password: Annotated[str, Form(max_length=4096)] = "",
        next: Annotated[str, Form(max_length=2048)] = "",  # noqa: A002
    ) -> Response:
        """Check name and password, start a session, go where the person wanted to."""
        if not _same_origin(request):
            raise Forbidden("This form came from another site; open the sign-in page here and repeat.")
        try:
            account = _authenticated(request, name, password)
        except TooManyAttempts as error:
            return form(request, str(error), status=429, target=own_path(next), retry_after=error.retry_after)
        if account is None:
            return form(request, "Name or password is wrong.", status=401, target=own_path(next))
        response = RedirectResponse(own_path(next), status_code=303)
        response.set_cookie(
            cookie_name(services, request),
            services.sessions.start(account.name),
            max_age=int(LONGEST.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=is_secure(services, request),
            path="/",
        )
        return response

    @routes.post("/logout")
    def logout(request: Request, principal: Annotated[Principal, Depends(signed_in(services))]) -> Response:
        """End the session here and in the browser."""
        cookie = cookie_name(services, request)
        services.sessions.end(request.cookies.get(cookie, ""))
        record(services, request, action="logout", actor=principal.actor, outcome="success")
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(cookie, path="/", secure=is_secure(services, request), httponly=True, samesite="strict")
        return response

    def _authenticated(request: Request, name: str, password: str) -> Account | None:
        """The account, or None after recording the failure. Raises TooManyAttempts without looking at the password."""
        address = client_address(request)
        wait = services.attempts.wait(name, address).total_seconds()
        if wait > 0:
            raise TooManyAttempts(
                f"Signing in is locked after too many failures; try again in {int(wait) + 1} seconds.", retry_after=int(wait) + 1
            )
        account = services.accounts.authenticate(name, password)
        services.attempts.record(name, address, succeeded=account is not None)
        record(
            services,
            request,
            action="login",
            actor=_claimed(name) if account is None else Actor(id=account.name, kind=ActorKind.STAFF),
            outcome="failure" if account is None else "success",
            details={"method": "password"},
        )
        return account

    def _claimed(name: str) -> Actor:
        try:
            return Actor(id=services.accounts.get(name).name, kind=ActorKind.STAFF)
        except NotFound:
            return UNKNOWN_ACTOR

    return routes


def own_path(target: str) -> str:
    """Where to go after signing in: a path of this site, or the first screen. Anything that could lead away is dropped."""
    parts = urlsplit(target)
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if is_ours and target.isprintable() else "/"


def _same_origin(request: Request) -> bool:
    """Whether the form came from a page of ours, as far as the browser says."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
