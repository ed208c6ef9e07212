"""Asking a source over HTTPS: one request, one answer or one sentence about what went wrong.

Credentials go to one origin only: neither a redirect nor a link in an answer decides where a token is sent.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

import httpx
import orjson

from domain.clock import Clock
from ingest.pull.contract import PullFailed

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of one answer, unpacked. Pages of the sources we know are a few megabytes at most."""

TIMEOUT = 60.0

THROTTLED = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RESOURCE_EXHAUSTED"})
"""Codes with which Google refuses a request (403) that it would take later."""

_LONGEST_RETRY_AFTER = 86_400.0
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")


class Credentials(Protocol):
    """Gives the value of the Authorization header. Thread-safe: several connectors of one site share it."""

    def authorization(self) -> str:
        """The header's value now. Raises PullFailed when there is none to be had."""

    def refused(self, authorization: str) -> None:
        """The source did not take this value: do not give it again where another can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful answer: headers, and the body unpacked."""

    headers: httpx.Headers
    body: bytes


class Refused(PullFailed):
    """The source answered with an error. `code` is its own word for it ("" where it gave none), if it looks like a word."""

    def __init__(self, message: str, *, status: int, code: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status
        self.code = code

    @property
    def is_transient(self) -> bool:
        """Whether waiting may help by itself: throttling, and troubles of the server's own."""
        return self.status in {408, 425, 429} or self.status >= 500 or self.code in THROTTLED


class Caller:
    """Asks one source. Used by one thread at a time; the client and the credentials may be shared."""

    def __init__(
        self,
        *,
        source: str,
        base: str,
        client: httpx.Client,
        credentials: Credentials,
        clock: Clock,
        reset_wait: Callable[[httpx.Headers, datetime], float | None] = lambda headers, now: None,  # noqa: ARG005
    ) -> None:
        """
        `source` is what the messages call it; `base` the beginning of its addresses, which fixes the origin. `reset_wait` reads
        from the headers of a 429 without Retry-After how many seconds to wait, where the source has headers of its own for that.
        """
        self._source = source
        self.base = base.rstrip("/")
        self._origin = _origin(self.base)
        self._client = client
        self._credentials = credentials
        self._clock = clock
        self._reset_wait = reset_wait

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Answer:
        """GET an address of the source. Raises PullFailed, Refused among them."""
        return self._ask("GET", url, params)

    def post(self, url: str, params: Mapping[str, str] | None = None) -> Answer:
        """POST without a body. Raises PullFailed, Refused among them."""
        return self._ask("POST", url, params)

    def is_ours(self, url: str) -> bool:
        """Whether an address that came in an answer is one of this source's."""
        try:
            return _origin(url) == self._origin
        except ValueError:
            return False

    def _ask(self, method: str, url: str, params: Mapping[str, str] | None) -> Answer:
        if not self.is_ours(url):
            raise PullFailed(f"{self._source} gave a link that leads away from it; it was not followed")
        for attempt in (1, 2):
            authorization = self._credentials.authorization()
            status, headers, body = self._send(method, url, params, authorization)
            if 200 <= status < 300:
                return Answer(headers=headers, body=body)
            if status == 401:
                self._credentials.refused(authorization)
                if attempt == 1:  # a token may end at any moment, also in the middle of a list of pages
                    continue
            raise self._refusal(status, headers, body)
        raise AssertionError("unreachable")

    def _send(
        self, method: str, url: str, params: Mapping[str, str] | None, authorization: str
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = {"authorization": authorization, "accept": "application/json", "user-agent": "phitrail"}
        try:
            return sent(self._client, method, url, params=params, headers=headers)
        except httpx.TimeoutException:
            raise PullFailed(f"{self._source} did not answer in time") from None
        except httpx.RemoteProtocolError:
            raise PullFailed(f"the answer of {self._source} was cut off") from None
        except httpx.ConnectError:
            raise PullFailed(f"{self._source} cannot be reached") from None
        except httpx.HTTPError as error:
            raise PullFailed(f"{self._source} cannot be asked ({type(error).__name__})") from None
        except httpx.InvalidURL:
            raise PullFailed(f"{self._source} gave a link that is no address") from None
        except TooLong:
            raise PullFailed(f"the answer of {self._source} is longer than {MOST_BYTES // 1024**2} MiB") from None

    def _refusal(self, status: int, headers: httpx.Headers, body: bytes) -> Refused:
        code = error_code(body)
        named = f"{status} {code}".rstrip()
        wait = retry_after(headers, self._clock())
        if status == 429 and wait is None:
            wait = self._reset_wait(headers, self._clock())
        if status == 429 or (status == 403 and code in THROTTLED):
            message = f"{self._source} asks us to slow down ({named})"
        elif status >= 500:
            message = f"{self._source} is in trouble ({named})"
        elif status == 401:
            message = f"{self._source} does not accept our credentials ({named}): check that they are right and not expired"
        elif status == 403:
            message = f"{self._source} does not let us read this ({named}): check the permissions that were granted"
        else:
            message = f"{self._source} refuses the request ({named})"
        return Refused(message, status=status, code=code, retry_after=wait)


class TooLong(Exception):
    """An answer beyond the bound."""


def sent(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
) -> tuple[int, httpx.Headers, bytes]:
    """Status, headers and body of one exchange. Raises what httpx raises, and TooLong."""
    # An address that has its own query keeps it: httpx replaces it even by empty parameters.
    with client.stream(method, url, params=params or None, data=data, headers=headers, follow_redirects=False) as response:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                raise TooLong
        return response.status_code, response.headers, bytes(body)


def retry_after(headers: httpx.Headers, now: datetime) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110 section 10.2.3: seconds, or a date); None where there is none, at most a day."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_RETRY_AFTER)
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is not None:
            return min(max((moment - now).total_seconds(), 0.0), _LONGEST_RETRY_AFTER)
    return None


def error_code(body: bytes) -> str:
    """The word for an error in the shapes that Microsoft, Google, Okta and OAuth use; "" where there is none."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(answer, dict):
        return ""
    error = answer.get("error")
    if isinstance(error, dict):  # Microsoft: error.code; Google: error.errors[0].reason, error.code is the status
        listed = error.get("errors")
        first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
        candidates = [first.get("reason"), error.get("status"), error.get("code")]
    else:
        candidates = [error, answer.get("errorCode"), answer.get("Code")]  # OAuth (RFC 6749 section 5.2); Okta
    for candidate in candidates:
        if isinstance(candidate, str) and _CODE.fullmatch(candidate):
            return candidate
    return ""


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)
