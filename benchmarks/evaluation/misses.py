"""Why an incident was not among the cases of its day: what the alerts, the reasons, the flags and the ranking said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from benchmarks.evaluation.cases import Case
from benchmarks.evaluation.hospital_files import Hospital
from benchmarks.evaluation.run import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """`case` is the best case that cites it and its place on the day (None: no alert at all). `explained` is the share of its chart
    events that were given a reason, `reasons` of which kinds; `flags` are the sentences against it; `rank` is the best place of
    its pairs in the ranking of their day, `score` the score there."""

    incident_id: str
    scenario: str
    nature: str
    first: str
    actors: Sequence[str]
    events: int
    actions: Sequence[str]
    case: tuple[Sequence[str], float, int] | None
    explained: float | None
    reasons: Sequence[str]
    flags: Sequence[str]
    score: float | None
    rank: int | None

    def sentence(self) -> str:
        """One line for the person who improves the analytics."""
        said = [f"{self.incident_id} {self.scenario} ({self.nature}), {self.first[:16]}, {', '.join(self.actors[:3])}:"]
        said.append(f"{self.events} events ({', '.join(self.actions[:5])});")
        if self.case is not None:
            kinds, score, place = self.case
            said.append(f"shown as {'/'.join(kinds)} {score:.2f}, place {place} of the day;")
        else:
            said.append("no alert;")
        if self.explained:
            said.append(f"{self.explained:.0%} explained by {', '.join(self.reasons)};")
        if self.flags:
            said.append(f"flags: {'; '.join(self.flags[:4])};")
        if self.score is not None:
            said.append(f"ranked {self.rank} of its day with {self.score:.2f}")
        return " ".join(said)


def misses(hospital: Hospital, outcome: Outcome, cases: Sequence[Case], places: int) -> list[Miss]:
    """The incidents that no case among the first `places` of a day cites."""
    place_of: dict[int, int] = {}
    counted: dict[date, int] = {}
    for case in cases:
        counted[case.day] = place_of[id(case)] = counted.get(case.day, 0) + 1
    shown = {incident for case in cases if place_of[id(case)] <= places for incident in case.incidents}
    ranked = outcome.scores.with_columns(rank=pl.col("score").rank("ordinal", descending=True).over("day"))
    found = []
    for incident in hospital.incidents:
        if incident.incident_id in shown:
            continue
        events = hospital.events.filter(pl.col("incident") == incident.incident_id)
        facts = outcome.explained.filter(pl.col("event_id").is_in(list(incident.event_ids)), pl.col("patient_id") != "")
        mine = sorted((case for case in cases if incident.incident_id in case.incidents), key=lambda case: place_of[id(case)])
        keys = events.select("actor", "day", object=pl.coalesce("patient", "domain")).drop_nulls().unique()
        best = keys.join(ranked, on=["actor", "object", "day"]).sort("score", descending=True).head(1)
        found.append(
            Miss(
                incident_id=incident.incident_id,
                scenario=incident.scenario,
                nature=incident.nature,
                first=incident.first,
                actors=incident.actors,
                events=len(incident.event_ids),
                actions=events["action"].unique(maintain_order=True).to_list(),
                case=(mine[0].kinds, mine[0].score, place_of[id(mine[0])]) if mine else None,
                explained=float((facts["explained"] > 0).mean() or 0.0) if facts.height else None,  # type: ignore[arg-type]
                reasons=sorted(facts["reason_kinds"].explode().drop_nulls().unique().to_list()),
                flags=sorted(facts["flags"].explode().drop_nulls().unique().to_list()),
                score=best["score"][0] if best.height else None,
                rank=int(best["rank"][0]) if best.height else None,
            )
        )
    return found
