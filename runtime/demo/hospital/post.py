"""The post room: turns a letter into what the mail system reports about it."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.event import Actor, ActorKind, Source
from domain.json import Json
from runtime.demo.hospital import org
from runtime.demo.hospital.correspondents import BY_DOMAIN, Security
from runtime.demo.hospital.diary import Diary, Entry, System

FAILING_SHARE = 0.03
_OUTCOMES = {"deliver": "delivered", "bounce": "bounced", "defer": "deferred"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to one recipient. `phi` is the sender's classifier flag, None where nobody classifies."""

    when: datetime
    mailbox: str
    recipient: str
    category: str
    phi: bool | None
    patient_id: str | None = None
    encryption: str = "none"
    system: System = System.PROVIDER

    @property
    def domain(self) -> str:
        return self.recipient.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostRoom:
    """Writes deliveries into the diary."""

    diary: Diary
    chance: random.Random

    def send(self, letter: Letter) -> None:
        """Deliver it; a few bounce, a few are deferred first and arrive twenty minutes later."""
        lot = self.chance.random()
        if lot < FAILING_SHARE / 3:
            self._write(letter, "bounce", letter.when, None, None)
        elif lot < FAILING_SHARE:
            self._write(letter, "defer", letter.when, None, None)
            self.deliver(letter, late=timedelta(seconds=self.chance.randint(1100, 1500)))
        else:
            self.deliver(letter)

    def deliver(
        self, letter: Letter, *, security: Security | None = None, late: timedelta = timedelta(), incident: str | None = None
    ) -> None:
        """A delivery that the other side took, with the usual security of its domain unless another is given."""
        self._write(letter, "deliver", letter.when + late, security or BY_DOMAIN[letter.domain].usual, incident)

    def _write(self, letter: Letter, action: str, when: datetime, security: Security | None, incident: str | None) -> None:
        sender = letter.mailbox if "@" in letter.mailbox else f"{letter.mailbox}@{org.MAIL_DOMAIN}"
        details: dict[str, Json] = {
            "to": letter.recipient,
            "to_domain": letter.domain,
            "from": sender,
            "category": letter.category,
            "size": self.chance.randint(2_000, 90_000),
            "direction": "outbound",
            "encryption": letter.encryption,
            "auto_forwarded": False,
            "message_id": f"<{self.chance.randrange(16**12):012x}@{org.MAIL_DOMAIN}>",
        }
        if letter.phi is not None:
            details["phi"] = letter.phi
        if security is not None:  # nothing is known about the line to a server that did not take the message
            details["tls"] = security.record()
        self.diary.write(
            Entry(
                system=letter.system,
                time=when,
                source=Source.MAIL,
                action=action,
                actor=Actor(id=sender, kind=ActorKind.SYSTEM),
                patient_id=letter.patient_id,
                outcome=_OUTCOMES[action],
                details=details,
                because="" if incident else "letter",
                incident=incident,
            )
        )
