"""Asking DNS: one question, one answer, an authoritative "there is none", or a sentence about what went wrong.

Whether an answer is authenticated is the AD flag of the resolver (RFC 4035 section 3.2.3): worth something only where the site says
that its resolver validates, and that the way to it is trusted. Otherwise `is_secure` is None, not known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver

MOST_RECORDS = 100
"""Records of one answer that are read."""

PAYLOAD = 1_232
"""Bytes of a UDP answer; longer ones come over TCP (the DNS flag day of 2020)."""


class NotLearnt(Exception):
    """What was asked could not be learnt; the message ends a sentence: `no answer in time`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Records, none of them where the name has none of that type. `exists` is False where the whole name does not exist."""

    records: Sequence[dns.rdata.Rdata]
    is_secure: bool | None
    exists: bool = True


def asking(resolver: dns.resolver.Resolver, *, seconds: float) -> None:
    """Set a resolver up for these questions: whole answers with their DNSSEC verdict, and no longer than this for each."""
    resolver.lifetime = seconds
    resolver.timeout = min(2.0, seconds)
    resolver.cache = None
    resolver.flags = dns.flags.RD | dns.flags.AD
    resolver.use_edns(0, dns.flags.DO, PAYLOAD)


class Asker:
    """Asks on behalf of one look, within its time. Used by one thread."""

    def __init__(
        self, resolver: dns.resolver.Resolver, *, validates: bool, ticks: Callable[[], float], seconds: float, most: int
    ) -> None:
        """`validates`: the site says that the resolver checks signatures. After `seconds` or `most` questions none is asked."""
        self._resolver = resolver
        self._validates = validates
        self._ticks = ticks
        self._ends = ticks() + seconds
        self._left = most

    def left(self) -> float:
        """Seconds that this look still has."""
        return max(self._ends - self._ticks(), 0.0)

    def ask(self, name: str, kind: str) -> Answer:
        """The records of a name and type, aliases followed. Raises NotLearnt."""
        seconds = min(self.left(), self._resolver.lifetime)
        if seconds <= 0 or self._left <= 0:
            raise NotLearnt("not asked, because this look had taken too long")
        self._left -= 1
        try:
            answer = self._resolver.resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=seconds)
        except dns.resolver.NXDOMAIN as error:
            responses = list(error.kwargs.get("responses", {}).values())
            return Answer(records=(), is_secure=self._verdict(responses[-1] if responses else None), exists=False)
        except dns.resolver.LifetimeTimeout:
            raise NotLearnt("no answer in time") from None
        except dns.resolver.NoNameservers as error:
            raise NotLearnt(_refusal(error)) from None
        except dns.exception.DNSException as error:
            raise NotLearnt(f"the answer cannot be used, {type(error).__name__}") from None
        except OSError:
            raise NotLearnt("the resolver cannot be reached") from None
        records = [] if answer.rrset is None else list(answer.rrset)[:MOST_RECORDS]
        return Answer(records=records, is_secure=self._verdict(answer.response))

    def texts(self, name: str) -> list[str]:
        """The TXT records of a name, each put together; [] where there are none. Raises NotLearnt."""
        return [b"".join(getattr(record, "strings", ())).decode("utf-8", "replace") for record in self.ask(name, "TXT").records]

    def _verdict(self, response: dns.message.Message | None) -> bool | None:
        if not self._validates:
            return None
        return response is not None and bool(response.flags & dns.flags.AD)


def _refusal(error: dns.resolver.NoNameservers) -> str:
    """What the resolvers said: SERVFAIL is also how a validating one reports a bogus signature (RFC 4035 section 5.5)."""
    said = [str(one[3]) for one in error.kwargs.get("errors", ()) if len(one) > 3]
    return f"the resolver answered {said[-1]}" if said and said[-1].isalpha() else "the resolver gave no usable answer"
