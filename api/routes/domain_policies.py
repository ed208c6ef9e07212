"""What is demanded of mail to a domain, for programs. Who configures the system sets it; each word is an event of the ledger."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.auth import Permission, Principal, needs
from api.services import Services
from dashboards.domain_policy_json import domain_json, word_json
from domain.domain_policy import Demand, DomainPolicy, SenderClass, mail_domain
from domain.errors import InvalidInput
from store.domain_policies import MOST_REASON, DomainPolicies, DomainPolicyBook


class DemandOnDomain(BaseModel):
    """What mail to the domain and everything below it must have from now on; `demand` null withdraws what was set for it."""

    model_config = ConfigDict(extra="forbid")

    demand: Demand | None
    reason: str = Field(min_length=1, max_length=MOST_REASON, description="Why. No patient data.")
    sender_class: SenderClass = SenderClass.ANY
    until: AwareDatetime | None = Field(None, description="When it ends by itself; null: when it is withdrawn.")


def router(services: Services) -> APIRouter:
    """`/v1/domains/{domain}/policy`."""
    routes = APIRouter(prefix="/v1/domains", tags=["domains"])
    policies = DomainPolicies(services.engine)
    book = DomainPolicyBook(services.engine, services.ledger.append)
    System = Annotated[Principal, Depends(needs(services, Permission.READ_SYSTEM))]  # noqa: N806 - a type
    Configurer = Annotated[Principal, Depends(needs(services, Permission.CONFIGURE))]  # noqa: N806 - a type

    @routes.get("/{domain}/policy", operation_id="getDomainPolicy")
    def get_domain_policy(
        principal: System,
        domain: str,
        at: Annotated[AwareDatetime | None, Query(description="As of this moment; without it, now.")] = None,
    ) -> Mapping[str, object]:
        """Which policy each class of mail to a domain is under, and every word on it and the domains above it."""
        del principal
        name, when = mail_domain(domain), _in_utc(at) if at is not None else services.clock()
        return domain_json(name, policies.read([name], when), when)

    @routes.post("/{domain}/policy", operation_id="setDomainPolicy", status_code=201)
    def set_domain_policy(principal: Configurer, domain: str, said: DemandOnDomain) -> Mapping[str, object]:
        """Set or withdraw what mail to a domain must have. What was sent before is not judged by it."""
        now, by = services.clock(), principal.name
        if said.demand is None:
            return word_json(book.withdraw(domain, said.sender_class, by=by, reason=said.reason, at=now))
        word = DomainPolicy(
            domain=domain,
            sender_class=said.sender_class,
            demand=said.demand,
            at=now,
            by=by,
            reason=said.reason,
            until=_in_utc(said.until) if said.until is not None else None,
        )
        return word_json(book.set(word))

    return routes


def _in_utc(moment: datetime) -> datetime:
    """The moment in UTC. Raises InvalidInput at the edges of the calendar, where it has none."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("the moment lies outside the calendar") from None
