"""What a mail event shows beside line and recipient: an identifier in the subject, PHI that comes back, a sender nobody approved,
transactional mail that is late, a secure message that waits to be read.

Each needs that a source says something (the subject, the signing domain, the time of queueing, a register); where none does,
nothing is said, and nothing is taken as good by that. Subjects are read here and nowhere kept: facts have kinds of identifier only.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from analytics.approved_senders import Senders, sent_by
from analytics.domain_history import Past
from analytics.mail_policy import Judgement, MailPolicy
from analytics.mail_times import seconds_on_the_way
from analytics.mx_homes import MxHomes, home_of
from analytics.recipients import Recipient, Standing
from domain.identifiers import Identifier, identifiers, mrn_pattern
from domain.json import Json
from domain.organisation import Organisation
from domain.tls import Leg, TlsVerdict, judge_session
from store.cursors import Span
from store.deliveries import DeliveryFact
from store.mail_messages import MailMessages

_WORDS: Mapping[str, str] = {
    Identifier.SSN: "a social security number",
    Identifier.MRN: "a record number",
    Identifier.DATE_OF_BIRTH: "a date of birth",
    Identifier.PAYMENT_CARD: "a payment card",
    Identifier.DIAGNOSIS: "a diagnosis code",
}
_BOUNCES = frozenset({"ndr", "dsn", "bounce", "non_delivery", "non-delivery", "undeliverable"})
_REPLIES = frozenset({"reply", "auto_reply", "autoreply", "out_of_office"})
_DAEMONS = frozenset({"mailer-daemon", "postmaster", "<>", ""})
_REPLY_MARKS = ("re:", "aw:", "sv:", "rv:")
_NOT_TAKEN = frozenset({"denied", "failure", "deferred", "dropped"})
_FEWEST_READS = 20
"""So many messages read in the portal, each with its id, show that the portal says which message was read."""
_LONGEST_QUEUE = timedelta(days=7)
"""Senders give up after four to five days (RFC 5321 section 4.5.4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Columns of the fact, and sentences."""

    subject_identifiers: tuple[str, ...] = ()
    mail_signs: tuple[str, ...] = ()
    sent_by: str = ""
    answers: str = ""
    mx_home: str = ""
    message_key: str = ""
    transit_seconds: int = -1
    facts: tuple[str, ...] = ()


class Scenarios:
    """Looks at one batch of facts; what is known around them is read once, and only where something asks for it."""

    def __init__(
        self,
        policy: MailPolicy,
        org: Organisation,
        senders: Senders,
        messages: MailMessages,
        made: Sequence[DeliveryFact],
        spans: Sequence[Span],
    ) -> None:
        self._homes = MxHomes(messages, made, spans, policy.history, org.mail_domain)
        self._fewest_days = policy.history.fewest_days
        self._deadlines = policy.transactional.deadlines
        self._sealed = policy.phi.sealed
        self._behind_login = policy.phi.behind_login
        self._org = org
        self._mrn = mrn_pattern(org.mrn_pattern)
        self._senders = senders
        self._reads = _Reads(messages, made, timedelta(days=policy.history.days), self._waits)
        self._first = self._first_seen(messages, made)

    def seen(self, base: DeliveryFact, recipient: Recipient, found: Judgement | None, past: Past, *, opted_in: bool) -> Seen:
        """What the event shows. `found` is the judgement on a message that was sent, and learns what breaks the policy."""
        signs: list[str] = []
        facts: list[str] = []
        kinds = self._in_subject(base, recipient, found, opted_in=opted_in)
        is_new = past.days < self._fewest_days and not past.plain and recipient.standing is not Standing.OWN
        if found is not None and is_new and (clause := self._homes.downgraded(base)):
            found.breaks("tls_downgrade", clause)
        answers = _answers(base.entry.details)
        by, claim = sent_by(base, self._senders, self._org.mail_domain)
        if claim:
            signs.append("unapproved_sender")
            facts.append(claim)
            if found is not None:
                found.breaks("unapproved_sender")
        if answers and self._came_back(base, opted_in=opted_in):
            signs.append("phi_returned")
            by = by or _sender_domain(base.entry.details)
        waits = self._waits(base) and self._reads.are_named(base.entry.time)
        if waits:
            signs.append("awaits_reading")
        transit = self._transactional(base, signs, facts)
        key = _message_id(base.entry.details) if waits or base.category in self._deadlines else ""
        return Seen(
            subject_identifiers=kinds,
            mail_signs=tuple(signs),
            sent_by=by,
            answers=answers,
            mx_home=home_of(base.entry.details) if found is not None else "",
            message_key=key,
            transit_seconds=transit,
            facts=tuple(facts),
        )

    def _in_subject(self, base: DeliveryFact, recipient: Recipient, found: Judgement | None, *, opted_in: bool) -> tuple[str, ...]:
        """A diagnosis alone is nobody's, unless it is known whom the message is about."""
        if found is None or base.entry.action not in ("deliver", "forward"):
            return ()
        day = base.entry.time.astimezone(self._org.timezone).date()
        kinds = sorted({kind for subject in _subjects(base.entry.details) for kind in identifiers(subject, day, self._mrn)})
        if not kinds:
            return ()
        about_somebody = kinds != [Identifier.DIAGNOSIS] or base.entry.patient_id != ""
        if about_somebody and not opted_in and recipient.standing is not Standing.OWN:
            found.breaks("phi_in_subject", f"The subject holds {', '.join(_WORDS[kind] for kind in kinds)}")
        return tuple(kind.value for kind in kinds)

    def _came_back(self, base: DeliveryFact, *, opted_in: bool) -> bool:
        """PHI that somebody sent back to us over a line that others could read."""
        if base.direction != "inbound" or base.phi is not True:
            return False
        line = judge_session(base.entry.details, base.entry.action)
        readable = line.leg is Leg.INBOUND and (line.verdict is TlsVerdict.NONE or line.weak)
        taken = base.entry.action != "defer" and base.entry.outcome not in _NOT_TAKEN
        headers_only = _word(base.entry.details.get("returned")) in ("headers", "hdrs")
        carries = not headers_only and base.encryption not in self._sealed and not opted_in
        return readable and taken and carries

    def _waits(self, base: DeliveryFact) -> bool:
        """Whether it tells somebody outside of a message that is to be read behind a login, and not only of news."""
        sent = base.entry.action == "deliver" and base.entry.outcome in ("", "success", "delivered")
        outside = base.direction not in ("inbound", "internal") and base.phi is not False
        return sent and outside and base.encryption in self._behind_login and _message_id(base.entry.details) != ""

    def _transactional(self, base: DeliveryFact, signs: list[str], facts: list[str]) -> int:
        minutes = self._deadlines.get(base.category)
        if minutes is None or base.direction in ("inbound", "internal"):
            return -1
        if base.entry.action == "bounce":
            signs.append("transactional_bounced")
        if base.entry.action not in ("deliver", "defer"):
            return -1
        took = seconds_on_the_way(base.entry.details, base.entry.time, self._first.get(_message_id(base.entry.details)))
        if took > 60 * minutes:
            signs.append("transactional_late")
            still = "and still not delivered" if base.entry.action == "defer" else "until delivery"
            facts.append(f"{base.category} took {took // 60:,} minutes {still}, {minutes:,} are allowed")
        return took

    def _first_seen(self, messages: MailMessages, made: Sequence[DeliveryFact]) -> Mapping[str, datetime]:
        """When transactional messages were first reported, before or in this batch."""
        first: dict[str, datetime] = {}
        for one in made:
            key = _message_id(one.entry.details) if one.category in self._deadlines else ""
            if key and one.entry.time < first.get(key, _NEVER):
                first[key] = one.entry.time
        if first:
            stored = messages.first_seen(first, min(first.values()) - _LONGEST_QUEUE, max(first.values()))
            first |= {key: min(then, first[key]) for key, then in stored.items()}
        return first


_NEVER = datetime.max.replace(tzinfo=UTC)


class _Reads:
    """Whether the portal says which message was read: of whole UTC days before a moment, all reads had an id."""

    def __init__(
        self, messages: MailMessages, made: Sequence[DeliveryFact], reach: timedelta, waits: Callable[[DeliveryFact], bool]
    ) -> None:
        moments = [one.entry.time for one in made if waits(one)]
        self._reach = reach
        self._days: list[date] = []
        self._sums: list[tuple[int, int]] = [(0, 0)]
        if moments:
            start = datetime.combine(min(moments).astimezone(UTC).date(), time(), UTC) - reach
            end = datetime.combine(max(moments).astimezone(UTC).date(), time(), UTC)
            for day, reads, named in messages.reads(start, end):
                self._days.append(day)
                self._sums.append((self._sums[-1][0] + reads, self._sums[-1][1] + named))

    def are_named(self, moment: datetime) -> bool:
        day = moment.astimezone(UTC).date()
        first, last = (bisect_left(self._days, one) for one in (day - self._reach, day))
        reads, named = (now - before for before, now in zip(self._sums[first], self._sums[last], strict=True))
        return reads >= _FEWEST_READS and reads == named


def _answers(details: Mapping[str, Json]) -> str:
    """`bounce` or `reply` where the source shows that it answers a message, else ''."""
    sender, category = details.get("from"), _word(details.get("category"))
    local = sender.strip(" <>").partition("@")[0].lower() if isinstance(sender, str) else None
    if category in _BOUNCES or local in _DAEMONS or details.get("bounce_of"):
        return "bounce"
    answered = details.get("in_reply_to") or _word(details.get("auto_submitted")).startswith("auto-replied")
    marked = any(subject.lstrip().lower().startswith(_REPLY_MARKS) for subject in _subjects(details))
    return "reply" if answered or category in _REPLIES or marked else ""


def _subjects(details: Mapping[str, Json]) -> Iterable[str]:
    several = details.get("subjects")
    given = (details.get("subject"), *(several if isinstance(several, list | tuple) else ()))
    return [one for one in given if isinstance(one, str) and one]


def _message_id(details: Mapping[str, Json]) -> str:
    """By which id the portal, or later reports, know the message."""
    given = details.get("secure_message_id") or details.get("message_id")
    return given if isinstance(given, str) else ""


def _sender_domain(details: Mapping[str, Json]) -> str:
    """Where mail from outside came from, as far as said."""
    for name in ("from", "header_from"):
        text = details.get(name)
        if isinstance(text, str) and "@" in text:
            return text.rpartition("@")[2].strip(" <>").rstrip(".").lower()
    return _word(details.get("client"))


def _word(value: Json) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
