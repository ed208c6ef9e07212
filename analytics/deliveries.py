"""From mail events to facts about deliveries: how well the line was protected, whether the patient had agreed to plain e-mail, and
what the mail policy says.

Everything is judged at the moment of the delivery, from what was knowledge then (45 CFR 164.522(b): a patient who was warned may
choose unencrypted e-mail). The past of a domain is whole days before it, so a repeat over the same entries gives the same facts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from analytics.consents import Consents
from analytics.detectors.misdirected import Lookalikes, Suspicion, is_near_miss
from analytics.domain_history import DomainHistory, is_sent
from analytics.mail_changes import weakened
from analytics.mail_policy import Judgement, MailPolicy, Outcome, Sent, default_policy, judge_forwarding, judge_sent
from analytics.recipients import Addresses, Recipient, Recipients, Register, Standing
from domain.json import Json
from domain.organisation import Organisation
from domain.tls import ASSUMED, POLICY_VERSION, TlsJudgement, TlsVerdict, judge
from store.context import ContextStore
from store.cursors import Span
from store.deliveries import DeliveryFact, DeliveryFacts, MailEntry
from store.mail_knowledge import MailKnowledge

_MOVED = frozenset({"deliver", "forward", "bounce", "defer"})
_DONE = frozenset({"", "success", "delivered"})


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

    def enrich(self, spans: Sequence[Span]) -> int:
        """The facts of every mail event in the spans, from what is on record now; returns how many."""
        entries = [entry for span in spans for entry in self._facts.entries(span)]
        if entries:
            self._facts.add(self.judged(entries, spans))
        return len(entries)

    def judged(self, entries: Sequence[MailEntry], spans: Sequence[Span]) -> list[DeliveryFact]:
        """The facts of entries, which are all the mail events of the spans."""
        made = [fact(entry, opted_in=False) for entry in entries]
        return _Bench(self._policy, self._context, self._knowledge, made, spans).facts()


def fact(entry: MailEntry, *, opted_in: bool) -> DeliveryFact:
    """What one mail event says about its delivery, before any policy."""
    details = entry.details
    judgement = judge(details)
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
    ) -> None:
        org: Organisation = context.org()
        consents = context.frame("consents")
        self._policy = policy
        self._knowledge = knowledge
        self._made = made
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
        domains = {domain for one in made for domain in _domains(one)}
        stored = knowledge.days(domains, self._begin, self._end, without=spans, assumed=ASSUMED) if domains else {}
        self._history = DomainHistory(stored, made, policy.history.days)
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
        if entry.action in _MOVED and base.direction not in ("inbound", "internal"):
            if is_sent(base) or (entry.action in ("deliver", "forward") and entry.outcome in _DONE):
                suspect = self._suspect(base, recipient)
                opted_in = opted_in and not suspect.words
                if opted_in and recipient.standing is Standing.NOT_ON_FILE and base.tls_verdict == TlsVerdict.NONE:
                    # Sent as the patient asked: with the wish came an address, which the register of patients may not have.
                    recipient = replace(recipient, standing=Standing.UNKNOWN, fact="")
                found = self._sent(base, recipient, opted_in)
            else:
                outcome = Outcome.NOT_SENT
        elif entry.action == "forward_rule" and entry.outcome in _DONE and entry.details.get("removed") is not True:
            found = judge_forwarding(recipient)
        elif entry.action == "policy_change" and entry.outcome in _DONE:
            found = self._change(base, recipient)
        found, outcome = (Judgement(), outcome) if found is None else (found, found.outcome)
        return replace(
            base,
            to_domain=recipient.domain or base.to_domain,
            opted_in=opted_in,
            policy_outcome=outcome.value,
            policy_reasons=", ".join(found.broken),
            policy_unknown=", ".join(found.unknown),
            policy_facts="; ".join((*found.facts, *suspect.facts)),
            mail_policy=policy.version,
            recipient=recipient.standing.value,
            misdirected=", ".join(suspect.words),
        )

    def _sent(self, base: DeliveryFact, recipient: Recipient, opted_in: bool) -> Judgement:
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


def _domains(base: DeliveryFact) -> Iterable[str]:
    return {base.to_domain, *(_after_at(one) for one in _addresses(base.entry.details) if "@" in one)} - {""}


def _mta_sts(value: Json) -> tuple[str, str]:
    """Mode and result, '' where not said."""
    if not isinstance(value, Mapping):
        return "", ""
    return _word(value.get("policy")) or _word(value.get("mode")), _word(value.get("result"))


def _word(value: Json) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
