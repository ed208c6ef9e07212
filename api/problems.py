"""Errors as answers: one table from the exception tree to HTTP, RFC 9457 problem documents for programs, a page for browsers.

A problem says what is wrong and what to do, in the words of the error; it never repeats what was sent, because that may be PHI.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from dashboards.render import error_page
from domain.errors import Backpressure, Conflict, IntegrityError, InvalidInput, NotFound, PhitrailError

MEDIA_TYPE = "application/problem+json"


class Unauthenticated(PhitrailError):
    """Nobody is signed in, or the key is not known."""


class Forbidden(PhitrailError):
    """The roles of whoever asks do not allow it."""


class TooManyAttempts(PhitrailError):
    """Signing in is locked for a while; carries the seconds until it opens."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLarge(PhitrailError):
    """The request body is larger than this route takes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What kind of problem: the HTTP status, the last part of its type URN, and its title."""

    status: int
    slug: str
    title: str


# The table. The first class that the error is an instance of counts.
PROBLEMS: Mapping[type[PhitrailError], Problem] = {
    Unauthenticated: Problem(401, "unauthenticated", "Sign in first"),
    Forbidden: Problem(403, "forbidden", "Your role does not allow this"),
    TooManyAttempts: Problem(429, "too-many-attempts", "Too many attempts"),
    TooLarge: Problem(413, "too-large", "Too large"),
    InvalidInput: Problem(400, "invalid-input", "This cannot be understood"),
    NotFound: Problem(404, "not-found", "Not found"),
    Conflict: Problem(409, "conflict", "The present state does not allow this"),
    Backpressure: Problem(503, "back-pressure", "Try again later"),
    IntegrityError: Problem(503, "integrity", "The ledger needs a decision"),
}

_OTHER_STATUS = {
    400: Problem(400, "invalid-input", "This cannot be understood"),
    404: Problem(404, "not-found", "Not found"),
    405: Problem(405, "method-not-allowed", "Method not allowed"),
    422: Problem(422, "validation", "A value is missing or has the wrong form"),
    500: Problem(500, "internal", "Something broke"),
}

_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    500: "The server met a defect and stopped this request; it is in the server's log. Nothing was changed by it.",
}


def problem_response(problem: Problem, detail: str, *, headers: Mapping[str, str] | None = None, **members: object) -> JSONResponse:
    """A problem document (RFC 9457, section 3)."""
    body = {"type": f"urn:phitrail:problem:{problem.slug}", "title": problem.title, "status": problem.status, "detail": detail}
    return JSONResponse({**body, **members}, status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Answer every error of this application by the table."""
    app.add_exception_handler(PhitrailError, _raised)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _raised(request: Request, error: Exception) -> Response:
    assert isinstance(error, PhitrailError)
    problem = next((problem for kind, problem in PROBLEMS.items() if isinstance(error, kind)), None)
    if problem is None:
        raise error  # not an answer to anybody: a defect, answered by `defect_response`
    headers: dict[str, str] = {}
    if isinstance(error, Backpressure | TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after)
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="phitrail"'
        if wants_page(request):
            return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
    return _answer(request, problem, str(error), headers)


def _invalid(request: Request, error: Exception) -> Response:
    """Where and why, without the value: `loc` names our parameters, `msg` our bounds."""
    assert isinstance(error, RequestValidationError)
    problem = _OTHER_STATUS[422]
    errors = [{"where": ".".join(_named(part) for part in item["loc"][:2]), "what": item["type"]} for item in error.errors()]
    named = ", ".join(sorted({entry["where"] for entry in errors}))
    if wants_page(request):
        return _answer(request, problem, f"Look at {named}, then try again.", {})
    return problem_response(problem, f"Look at {named}.", errors=errors)


def _named(part: object) -> str:
    """A parameter's name as sent, if it can be one of ours."""
    return str(part) if re.fullmatch(r"[a-z_]{1,32}", str(part)) else "a name that is not ours"


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = _OTHER_STATUS.get(error.status_code, Problem(error.status_code, "refused", "Refused"))
    detail = _SENTENCES.get(error.status_code, "The request was refused.")
    return _answer(request, problem, detail, dict(error.headers or {}))


def defect_response(request: Request) -> Response:
    """The answer when a route stopped with an error that has no place in the table."""
    return _answer(request, _OTHER_STATUS[500], _SENTENCES[500], {})


def _answer(request: Request, problem: Problem, detail: str, headers: Mapping[str, str]) -> Response:
    detail = sentence(detail)
    if wants_page(request):
        page = error_page(status=problem.status, title=problem.title, detail=detail)
        return HTMLResponse(page, status_code=problem.status, headers=dict(headers))
    return problem_response(problem, detail, headers=headers)


def sentence(words: str) -> str:
    """The message of an error as a sentence: a capital first, a full stop last."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?", "…")) else ".")


def wants_page(request: Request) -> bool:
    """Whether a browser asks, for a page rather than for data."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(("/v1/", "/fhir", "/hooks/"))
