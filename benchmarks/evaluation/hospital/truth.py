"""The answers: which events are incidents, of which scenario."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.json import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One line of `truth.jsonl`. `actor` is null where several people are involved; `whole_account` as in `scene.Draft`."""

    incident_id: str
    scenario: str
    nature: str
    targeted: bool
    known: bool
    actors: Sequence[str]
    patient_ids: Sequence[str]
    event_ids: Sequence[str]
    first: str
    last: str
    whole_account: bool = False

    @property
    def actor(self) -> str | None:
        return self.actors[0] if len(self.actors) == 1 else None

    def record(self) -> dict[str, Json]:
        """As it is written."""
        return {
            "incident_id": self.incident_id,
            "scenario": self.scenario,
            "nature": self.nature,
            "targeted": self.targeted,
            "known": self.known,
            "actor": self.actor,
            "actors": list(self.actors),
            "patient_ids": list(self.patient_ids),
            "event_ids": list(self.event_ids),
            "first": self.first,
            "last": self.last,
            "whole_account": self.whole_account,
        }

    @classmethod
    def of(cls, record: Mapping[str, object]) -> "Incident":
        """From a line of `truth.jsonl`."""

        def texts(name: str) -> list[str]:
            value = record[name]
            assert isinstance(value, list)
            return [str(entry) for entry in value]

        return cls(
            incident_id=str(record["incident_id"]),
            scenario=str(record["scenario"]),
            nature=str(record["nature"]),
            targeted=bool(record["targeted"]),
            known=bool(record["known"]),
            actors=texts("actors"),
            patient_ids=texts("patient_ids"),
            event_ids=texts("event_ids"),
            first=str(record["first"]),
            last=str(record["last"]),
            whole_account=bool(record["whole_account"]),
        )
