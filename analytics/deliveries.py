"""From mail events to facts about deliveries: how well the line was protected, whether the patient had agreed to plain e-mail, and
what the mail policy says.

Everything is judged at the moment of the delivery, from what was knowledge then (45 CFR 164.522(b): a patient who was warned may
choose unencrypted e-mail). The past of a domain is whole days before it, so a repeat over the same entries gives the same facts.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from analytics.approved_senders import Senders
from analytics.consents import Consents
from analytics.detectors.misdirected import Lookalikes, Suspicion, is_near_miss
from analytics.domain_demands import Sending, demanded
from analytics.domain_history import DomainHistory, is_sent
from analytics.mail_changes import weakened
from analytics.mail_policy import Judgement, MailPolicy, Outcome, Sent, default_policy, judge_forwarding, judge_sent
from analytics.mail_scenarios import Scenarios
from analytics.recipients import Addresses, Recipient, Recipients, Register, Standing
from domain.domain_policy import Demanded
from domain.json import Json
from domain.organisation import Organisation
from domain.tls import ASSUMED, POLICY_VERSION, TlsJudgement, TlsVerdict, judge
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFact, DeliveryFacts, MailEntry
from store.domain_policies import DomainPolicies
from store.domain_posture import DomainPostures
from store.mail_knowledge import MailKnowledge

_MOVED = frozenset({"deliver", "forward", "bounce", "defer"})
_DONE = frozenset({"", "success", "delivered"})

PART = 20_000
"""Places of the log that are judged at a time: as many as the scheduler takes up (analytics/engine.py)."""


class Deliveries:
    """Writes the facts of new mail events. Safe to repeat."""

    def __init__(
        self, facts: DeliveryFacts, context: ContextStore, knowledge: MailKnowledge | None = None, policy: MailPolicy | None = None
    ) -> None:
        """Without a policy, the one that ships with phitrail."""
        self._facts = facts
        self._context = context
        self._knowledge = knowledge or facts.knowledge()
        self._policy = policy or default_policy()
        self._demands = facts.domain_policies()
        self._looks = facts.domain_postures()
        self._messages = facts.messages()

    def enrich(self, spans: Sequence[Span]) -> int:
        """The facts of every mail event in the spans, from what is on record now; returns how many.

        However many they are, no more than those of `PART` places of the log are held at a time.
        """
        done = 0
        for part in parts(spans, PART):
            entries = [entry for span in part for entry in self._facts.entries(span)]
            if entries:
                self._facts.add(self.judged(entries, part))
            done += len(entries)
        return done

    def judged(self, entries: Sequence[MailEntry], spans: Sequence[Span]) -> list[DeliveryFact]:
        """The facts of entries, which are all the mail events of the spans."""
        made = [fact(entry, opted_in=False) for entry in entries]
        senders = Senders(self._knowledge.register())
        scenarios = Scenarios(self._policy, self._context.org(), senders, self._messages, made, spans)
        return _Bench(self._policy, self._context, self._knowledge, made, spans, (self._demands, self._looks), scenarios).facts()


def parts(spans: Sequence[Span], most: int) -> Iterator[list[Span]]:
    """The same entries in the same order, cut so that no part covers more than `most` places."""
    part: list[Span] = []
    room = most
    for span in spans:
        first = span.first
        while first <= span.last:
            cut = replace(span, first=first, last=min(span.last, first + room - 1))
            part.append(cut)
            first, room = cut.last + 1, room - cut.size
            if room == 0:
                yield part
                part, room = [], most
    if part:
        yield part


def fact(entry: MailEntry, *, opted_in: bool) -> DeliveryFact:
    """What one mail event says about its delivery, before any policy."""
    details = entry.details
    judgement = judge(details, entry.action)
    phi = details.get("phi")
    return DeliveryFact(
        entry=entry,
        to_domain=_domain(details),
        direction=_word(details.get("direction")),
        category=_word(details.get("category")),
        phi=phi if isinstance(phi, bool) else None,
        encryption=_word(details.get("encryption")),
        auto_forwarded=details.get("auto_forwarded") is True,
        tls_verdict=judgement.verdict.value,
        tls_version=judgement.version,
        tls_cipher=judgement.cipher,
        tls_weak=judgement.weak,
        evidence=judgement.evidence,
        opted_in=opted_in,
        policy_version=POLICY_VERSION,
        tls_leg=judgement.leg.value,
        tls_bits=judgement.bits,
        tls_confidence=judgement.confidence.value,
    )


@dataclass(slots=True)
class _Suspect:
    """What looked misdirected, and the sentences for it."""

    words: list[str]
    facts: list[str]


class _Bench:
    """Judges one batch of facts: what is known around them is read once."""

    def __init__(
        self,
        policy: MailPolicy,
        context: ContextStore,
        knowledge: MailKnowledge,
        made: Sequence[DeliveryFact],
        spans: Sequence[Span],
        domains_known: tuple[DomainPolicies, DomainPostures],
        scenarios: Scenarios,
    ) -> None:
        org: Organisation = context.org()
        consents = context.frame("consents")
        self._policy = policy
        self._knowledge = knowledge
        self._made = made
        self._scenarios = scenarios
        self._org = org
        self._register = Register(knowledge.register())
        self._recipients = Recipients(
            self._register,
            Addresses(knowledge.addresses(spans)),
            own_domain=org.mail_domain,
            zone=org.timezone,
            without_agreement=policy.recipients.without_agreement,
            public_mailboxes=policy.recipients.public_mailboxes,
        )
        self._plain = Consents(consents, zone=org.timezone)
        self._marketing = Consents(consents, policy.marketing.channels, org.timezone)
        first = min(one.entry.time for one in made)
        self._begin = first - timedelta(days=policy.history.days + 1)
        self._settled = datetime.combine(first.astimezone(UTC).date(), time(), UTC)
        self._end = datetime.combine(max(one.entry.time for one in made).astimezone(UTC).date(), time(), UTC)
        domains_of = [_domains(one) for one in made]
        domains = {domain for several in domains_of for domain in several}
        stored = knowledge.days(domains, self._begin, self._end, without=spans, assumed=ASSUMED) if domains else {}
        self._history = DomainHistory(stored, made, policy.history.days)
        sendings = [
            Sending(base=one, is_delivered=_is_delivered(one), domains=several, is_rule=_is_rule(one))
            for one, several in zip(made, domains_of, strict=True)
            if _is_outbound(one) or _is_rule(one)
        ]
        self._demands = demanded(sendings, *domains_known, self._history, policy)
        self._lookalikes: Lookalikes | None = None
        self._pairs: dict[str, list[tuple[str, date]]] | None = None

    def facts(self) -> list[DeliveryFact]:
        return [self._judged(one) for one in self._made]

    def _judged(self, base: DeliveryFact) -> DeliveryFact:
        entry, policy = base.entry, self._policy
        recipient = self._recipients.of(_addresses(entry.details), base.to_domain, entry.patient_id, entry.time)
        opted_in = self._plain.agreed(entry.patient_id, entry.time) and not recipient.standing.is_partner
        suspect = _Suspect([], [])
        found: Judgement | None = None
        outcome = Outcome.NOT_JUDGED
        demanded_of = self._demands.get((entry.writer, entry.seq))
        if _is_outbound(base):
            if _is_delivered(base):
                suspect = self._suspect(base, recipient)
                opted_in = opted_in and not suspect.words
                if opted_in and recipient.standing is Standing.NOT_ON_FILE and base.tls_verdict == TlsVerdict.NONE:
                    # Sent as the patient asked: with the wish came an address, which the register of patients may not have.
                    recipient = replace(recipient, standing=Standing.UNKNOWN, fact="")
                found = self._sent(base, recipient, opted_in, demanded_of)
            else:
                outcome = Outcome.NOT_SENT
        elif _is_rule(base):
            found = judge_forwarding(recipient, demanded_of)
        elif entry.action == "policy_change" and entry.outcome in _DONE:
            found = self._change(base, recipient)
        seen = self._scenarios.seen(base, recipient, found, self._history.before(recipient.domain, entry.time), opted_in=opted_in)
        found, outcome = (Judgement(), outcome) if found is None else (found, found.outcome)
        return replace(
            base,
            to_domain=recipient.domain or base.to_domain,
            opted_in=opted_in,
            policy_outcome=outcome.value,
            policy_reasons=", ".join(found.broken),
            policy_unknown=", ".join(found.unknown),
            policy_facts="; ".join((*found.facts, *suspect.facts, *seen.facts)),
            mail_policy=policy.version,
            recipient=recipient.standing.value,
            misdirected=", ".join(suspect.words),
            demanded=demanded_of.demands if demanded_of else "",
            demanded_by=demanded_of.set_by if demanded_of else "",
            demand_outcome=demanded_of.kept.value if demanded_of else "",
            demand_fact=demanded_of.fact if demanded_of else "",
            subject_identifiers=seen.subject_identifiers,
            mail_signs=seen.mail_signs,
            sent_by=seen.sent_by,
            answers=seen.answers,
            mx_home=seen.mx_home,
            message_key=seen.message_key,
            transit_seconds=seen.transit_seconds,
        )

    def _sent(self, base: DeliveryFact, recipient: Recipient, opted_in: bool, demanded_of: Demanded | None) -> Judgement:
        entry = base.entry
        sent = Sent(
            moment=entry.time,
            day=entry.time.astimezone(self._org.timezone).date(),
            phi=base.phi,
            category=base.category,
            encryption=base.encryption,
            auto_forwarded=base.auto_forwarded,
            tls=TlsJudgement(
                verdict=TlsVerdict(base.tls_verdict),
                version=base.tls_version,
                cipher=base.tls_cipher,
                weak=base.tls_weak,
                evidence=base.evidence,
            ),
            recipient=recipient,
            opted_in=opted_in,
            mta_sts=_mta_sts(entry.details.get("mta_sts")),
            marketing=self._marketing.word(entry.patient_id, entry.time) if entry.patient_id else None,
            consents_kept=not self._marketing.is_empty,
            past=self._history.before(recipient.domain, entry.time),
            outbound=base.direction == "outbound",
            demanded=demanded_of,
        )
        return judge_sent(sent, self._policy, self._org.holidays)

    def _change(self, base: DeliveryFact, recipient: Recipient) -> Judgement:
        """A change of a setting of mail: one that lets copies out is a forwarding too."""
        found = Judgement()
        if recipient.domain:
            found = judge_forwarding(recipient)
        weaker = weakened(base.entry.details)
        if weaker:
            found.breaks("mail_policy_weakened")
        elif weaker is None and not found.broken:
            found.leaves_open("change_not_understood")
        return found

    def _suspect(self, base: DeliveryFact, recipient: Recipient) -> _Suspect:
        found, rules = _Suspect([], []), self._policy.misdirected
        if recipient.standing in (Standing.OWN, Standing.PATIENT):
            return found
        if is_near_miss(recipient.address, recipient.on_file, rules.edits_address):
            found.words.append(Suspicion.NEAR_MISS)
            found.facts.append("The address is almost the one on file for the patient")
        past = self._history.before(recipient.domain, base.entry.time)
        if recipient.domain and not recipient.is_listed and past.deliveries <= rules.newcomer:
            twin = self._looks_like(recipient.domain)
            if twin:
                found.words.append(Suspicion.LOOKALIKE)
                found.facts.append(f"{recipient.domain} looks like {twin}, and got {past.deliveries} deliveries before")
        if found.words and recipient.patient_id:
            today = base.entry.time.astimezone(UTC).date()
            before = {domain for domain, day in self._met().get(recipient.patient_id, ()) if day < today}
            if before and recipient.domain not in before:
                found.words.append(Suspicion.FIRST_FOR_PATIENT)
                found.facts.append("Mail about this patient went to other domains before, and never to this one")
        return found

    def _met(self) -> Mapping[str, Sequence[tuple[str, date]]]:
        """Where mail about the patients of this batch went, and on which day first or again. Read only where it is asked for."""
        if self._pairs is None:
            self._pairs = {}
            patients = {one.entry.patient_id for one in self._made} - {""}
            stored = self._knowledge.met(patients, self._begin, self._settled)
            now = (
                (one.entry.patient_id, one.to_domain, one.entry.time.astimezone(UTC).date()) for one in self._made if is_sent(one)
            )
            for patient_id, domain, day in (*stored, *now):
                self._pairs.setdefault(patient_id, []).append((domain, day))
        return self._pairs

    def _looks_like(self, domain: str) -> str:
        if self._lookalikes is None:
            rules = self._policy.misdirected
            frequent = self._knowledge.frequent(
                self._begin, self._settled, deliveries=rules.known_deliveries, days=rules.known_days
            )
            known = {one for one in (*self._register.domains, *frequent, self._org.mail_domain) if one}
            self._lookalikes = Lookalikes(known, shortest=rules.shortest, edits=rules.edits)
        return self._lookalikes.of(domain)


def _is_outbound(base: DeliveryFact) -> bool:
    """Whether it is the way of a message that may have left, delivered or not."""
    return base.entry.action in _MOVED and base.direction not in ("inbound", "internal")


def _is_delivered(base: DeliveryFact) -> bool:
    return is_sent(base) or (base.entry.action in ("deliver", "forward") and base.entry.outcome in _DONE)


def _is_rule(base: DeliveryFact) -> bool:
    """Whether it is a rule that forwards mail from now on."""
    entry = base.entry
    return entry.action == "forward_rule" and entry.outcome in _DONE and entry.details.get("removed") is not True


def _domain(details: Mapping[str, Json]) -> str:
    """The recipient's domain, as given or from the address, or where a rule forwards to; '' where nothing says."""
    if given := _word(details.get("to_domain")):
        return given.rstrip(".")
    to = details.get("to")
    first = to[0] if isinstance(to, list | tuple) and to else to
    if isinstance(first, str) and "@" in first:
        return _after_at(first)
    if given := _word(details.get("forward_domain")):
        return given.rstrip(".")
    forward = details.get("forward_to")
    return _after_at(forward) if isinstance(forward, str) and "@" in forward else ""


def _after_at(address: str) -> str:
    return address.rpartition("@")[2].strip(" <>").rstrip(".").lower()


def _addresses(details: Mapping[str, Json]) -> list[str]:
    to = details.get("to")
    several: Iterable[Json] = to if isinstance(to, list | tuple) else (to or details.get("forward_to"),)
    return [one for one in several if isinstance(one, str)]


def _domains(base: DeliveryFact) -> Collection[str]:
    return {base.to_domain, *(_after_at(one) for one in _addresses(base.entry.details) if "@" in one)} - {""}


def _mta_sts(value: Json) -> tuple[str, str]:
    """Mode and result, '' where not said."""
    if not isinstance(value, Mapping):
        return "", ""
    return _word(value.get("policy")) or _word(value.get("mode")), _word(value.get("result"))


def _word(value: Json) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
