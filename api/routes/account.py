"""One's own account: whose it is, what it may do, and a new password."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from api.auth import Principal, cookie_name, signed_in
from api.own_events import record
from api.page_frame import page
from api.problems import Forbidden, sentence
from api.services import Services
from domain.errors import InvalidInput


def router(services: Services) -> APIRouter:
    """`/account`."""
    routes = APIRouter(prefix="/account", tags=["pages"], include_in_schema=False)
    Known = Annotated[Principal, Depends(signed_in(services))]  # noqa: N806 - a type

    @routes.get("")
    def account(principal: Known) -> Response:
        """Name, roles, session, and the form for a new password."""
        return page(services, principal, "account.html", principal.session, section="account")

    @routes.post("/password")
    def change_password(
        request: Request,
        principal: Known,
        present: Annotated[str, Form(max_length=4096)] = "",
        wanted: Annotated[str, Form(max_length=4096)] = "",
        again: Annotated[str, Form(max_length=4096)] = "",
    ) -> Response:
        """Replace the password, end every other session, and go on in this one."""
        if principal.session is None:
            raise Forbidden("A program has no password; make a new API key instead.")
        problem = ""
        if wanted != again:
            problem = "The new password and its repetition differ."
        elif services.accounts.authenticate(principal.name, present) is None:
            problem = "The present password is wrong."
        else:
            try:
                services.accounts.set_password(principal.name, wanted, by=principal.name)
            except InvalidInput as error:
                problem = sentence(str(error))
        record(
            services,
            request,
            action="password_reset",
            actor=principal.actor,
            outcome="failure" if problem else "success",
        )
        if problem:
            return page(services, principal, "account.html", principal.session, section="account", notice=problem, status=400)
        services.sessions.end_all(principal.name)
        response = page(
            services, principal, "account.html", None, section="account", notice="The password is changed; sign in again with it."
        )
        response.delete_cookie(cookie_name(services, request), path="/")
        return response

    return routes
