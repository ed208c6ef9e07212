"""Commands about mail domains: what is demanded of mail to them."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from domain.clock import rfc3339, system_clock
from domain.domain_policy import Demand, SenderClass
from runtime.cli.options import AsJson, DataDir, moment, out, settings
from runtime.domain_looking import domains_look

if TYPE_CHECKING:
    from domain.domain_policy import DomainPolicy

Domain = Annotated[str, typer.Argument(help="The domain behind the @; it stands for every domain below it too.")]
For = Annotated[SenderClass, typer.Option("--for", help="Which mail: transactional, marketing or any.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. No patient data.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    domains = typer.Typer(help="Mail domains.", no_args_is_help=True)
    join(domains)
    app.add_typer(domains, name="domains")


def join(domains: typer.Typer) -> None:
    """Add these commands to the group `phitrail domains`."""
    policy = typer.Typer(help="What mail to a domain must have.", no_args_is_help=True)
    policy.command("list")(policy_list)
    policy.command("set")(policy_set)
    policy.command("withdraw")(policy_withdraw)
    domains.add_typer(policy, name="policy")
    domains.command("look")(domains_look)


def policy_list(
    domain: Annotated[str, typer.Argument(help="Only what mail to this domain is under; without it, every policy.")] = "",
    data_dir: DataDir = None,
    at: Annotated[str | None, typer.Option("--at", help="As of this day or RFC 3339 moment; without it, now.")] = None,
    everything: Annotated[bool, typer.Option("--history", help="Also what has ended, was withdrawn or replaced.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is demanded of mail to domains, by whom, since when and why."""
    from dashboards.domain_policy_json import domain_json, holding, word_json
    from domain.domain_policy import mail_domain
    from runtime.node import open_base
    from store.domain_policies import DomainPolicies

    when = moment(at) or system_clock()
    name = mail_domain(domain) if domain else ""
    with open_base(settings(data_dir), system_clock) as base:
        policies = DomainPolicies(base.engine)
        words = policies.read([name], when) if name else policies.all(when)
    shown = words if everything else holding(words, when)
    if as_json:
        print(json.dumps(domain_json(name, words, when) if name else {"policies": [word_json(word) for word in shown]}))
        return
    table = Table("domain", "mail", "demands", "set by", "at", "until", "why", box=None)
    for word in shown:
        table.add_row(*_cells(word))
    out.print(table if shown else "nothing is demanded of mail to any domain" if not name else f"nothing is demanded for {name}")


def policy_set(
    domain: Domain,
    demand: Annotated[
        Demand,
        typer.Option(
            "--demand",
            help="none; opportunistic: TLS where offered; forced: TLS or defer; tls_exclusive: TLS or drop; escalate: TLS, or "
            "portal, PGP, S/MIME, escrow; mta_sts, dane: a server verified so; forward_tls_only: TLS for what is forwarded.",
        ),
    ],
    reason: Reason,
    data_dir: DataDir = None,
    sender_class: For = SenderClass.ANY,
    until: Annotated[str | None, typer.Option("--until", help="Holds to this day (inclusive) or moment; unset: withdrawn.")] = None,
) -> None:
    """Set what mail to a domain must have from now on; you are named in the ledger. What was sent before is not judged by it."""
    from domain.domain_policy import DomainPolicy
    from runtime.node import open_node
    from runtime.self_audit import operator
    from store.domain_policies import DomainPolicyBook

    ends = moment(until, end=True)
    with open_node(settings(data_dir), system_clock) as node:
        word = DomainPolicyBook(node.base.engine, node.ledger.append).set(
            DomainPolicy(
                domain=domain,
                sender_class=sender_class,
                demand=demand,
                at=system_clock(),
                by=operator(),
                reason=reason,
                until=ends,
            )
        )
    end = f", until {word.until:%Y-%m-%d %H:%M} UTC" if word.until else ""
    out.print(f"mail to {word.domain} ({word.sender_class.value}): {demand.phrase}, from {rfc3339(word.at)}{end}", soft_wrap=True)


def policy_withdraw(domain: Domain, reason: Reason, data_dir: DataDir = None, sender_class: For = SenderClass.ANY) -> None:
    """Withdraw everything that was set for exactly this domain and mail; you are named in the ledger."""
    from runtime.node import open_node
    from runtime.self_audit import operator
    from store.domain_policies import DomainPolicyBook

    with open_node(settings(data_dir), system_clock) as node:
        book = DomainPolicyBook(node.base.engine, node.ledger.append)
        word = book.withdraw(domain, sender_class, by=operator(), reason=reason, at=system_clock())
    out.print(f"withdrawn: mail to {word.domain} ({word.sender_class.value}), from {rfc3339(word.at)}", soft_wrap=True)


def _cells(word: "DomainPolicy") -> tuple[str, ...]:
    demands = word.demand.value if word.demand is not None else "withdrawn"
    until = rfc3339(word.until)[:16] + "Z" if word.until is not None else "–"
    return word.domain, word.sender_class.value, demands, word.by, rfc3339(word.at)[:19] + "Z", until, word.reason
