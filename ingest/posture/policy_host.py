"""Fetching a policy from `https://mta-sts.<domain>/.well-known/mta-sts.txt` (RFC 8461 section 3.3).

The certificate must be valid for that host, redirects are not followed, the body is bounded text: whatever else comes is no policy.
"""

from collections.abc import Callable

import httpx

from ingest.posture.asking import NotLearnt

MOST_BYTES = 64 * 1024
"""Of a policy, as RFC 8461 section 3.3 advises."""


def fetch(client: httpx.Client, domain: str, *, seconds: float, ticks: Callable[[], float]) -> str:
    """The text of the policy. `client` checks certificates against the CAs that the site trusts. Raises NotLearnt."""
    ends = ticks() + seconds
    url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    headers = {"accept": "text/plain", "accept-encoding": "identity", "user-agent": "phitrail", "connection": "close"}
    try:
        with client.stream("GET", url, headers=headers, follow_redirects=False, timeout=max(seconds, 0.01)) as response:
            _check(response)
            body = bytearray()
            for piece in response.iter_raw():
                body += piece
                if len(body) > MOST_BYTES:
                    raise NotLearnt(f"the policy is longer than {MOST_BYTES // 1024} KiB")
                if ticks() > ends:
                    raise NotLearnt("the policy did not come in time")
    except httpx.TimeoutException:
        raise NotLearnt("the policy host did not answer in time") from None
    except httpx.ConnectError as error:
        raise NotLearnt(_unconnected(error)) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotLearnt(f"the policy cannot be fetched, {type(error).__name__}") from None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotLearnt("the policy is no UTF-8 text") from None


def _check(response: httpx.Response) -> None:
    if response.is_redirect or 300 <= response.status_code < 400:
        raise NotLearnt("the policy host leads to another address, which must not be followed")
    if response.status_code != 200:
        raise NotLearnt(f"the policy host answered {response.status_code}")
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/plain":
        raise NotLearnt("what the policy host gave is not text/plain")
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise NotLearnt("the policy host gave a packed answer that was not asked for")


def _unconnected(error: httpx.ConnectError) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "the certificate of the policy host is not valid for it"
    return "the policy host cannot be reached over TLS"
