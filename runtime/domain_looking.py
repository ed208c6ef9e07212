"""The command `phitrail domains look`: look at mail domains now, and print what is published there."""

import json
import time
from typing import Annotated

import typer

from domain.clock import system_clock
from runtime.cli.options import AsJson, DataDir, out, settings


def domains_look(
    domains: Annotated[
        list[str] | None, typer.Argument(metavar="[DOMAIN]...", help="Domains to look at; without any, all that mail goes to.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Look at domains now: MX, MTA-STS, DANE, TLS-RPT; of our own also SPF, DKIM and DMARC. This asks name servers and policy
    hosts outside. What is seen is kept; the worker raises what became weaker."""
    from dashboards.domain_json import posture_json
    from dashboards.domain_words import posture_line, problem_words
    from ingest.posture.rounds import look_at
    from runtime.node import open_base
    from runtime.posture import looking, named_domains, wanted_domains
    from store.domain_posture import DomainPostures

    known = settings(data_dir)
    pause = 60.0 / known.posture.domains_a_minute
    with open_base(known, system_clock) as base, looking(known.posture, system_clock) as looker:
        chosen = named_domains(base.engine, domains) if domains else wanted_domains(base.engine, known.posture, system_clock())
        if not chosen:
            out.print("no domain is registered, none got mail in the last 90 days, and org.json names no mail_domain")
            return
        postures = DomainPostures(base.engine)
        for seen in look_at(chosen, looker=looker, postures=postures, pause=lambda: time.sleep(pause)):
            lines = [posture_line(seen), *(f"  {problem_words(problem)}" for problem in seen.problems)]
            print(json.dumps(posture_json(seen), ensure_ascii=False) if as_json else "\n".join(lines), flush=True)
