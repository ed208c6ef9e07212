"""What an export was asked for, as its manifest says, and whether the header of an entry shows that it was not."""

from collections.abc import Mapping
from dataclasses import dataclass

from dashboards.export_fields import Fields, read_fields, read_moment, read_text
from domain.errors import IntegrityError
from domain.index_tree import Dimension

_ANY_OF = {"actions": "action", "sources": "source", "source_systems": "source_system", "outcomes": "outcome"}
_TEXTS = frozenset({"actor_id", "patient_id", "device_id", "ip", "text"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter (`store.events.EventFilter.names`), and the one subject it names: patient, else actor, else source system."""

    fields: Fields
    by: Dimension | None
    subject: str

    @classmethod
    def read(cls, manifest: Fields) -> "Asked":
        """From the manifest. Raises IntegrityError where it is malformed."""
        fields = read_fields(manifest, "asked")
        for name, value in fields.items():
            if name in {"since", "until"}:
                read_moment(fields, name)
            elif name in _TEXTS:
                read_text(fields, name)
            elif (name in _ANY_OF or name == "actor_kinds") and not _is_texts(value):
                raise IntegrityError(f"{name} is no list of texts")
        return cls(fields, *_subject(fields))

    @property
    def until(self) -> str:
        """The end of the period; '' where none was given."""
        return str(self.fields.get("until", ""))

    def excludes(self, header: Fields) -> bool | None:
        """Whether a header shows that its entry was not asked for. None: only the private part could show that.

        Raises IntegrityError where it has no time.
        """
        time = read_moment(header, "time")
        answers = [self._excludes(name, value, header, time) for name, value in self.fields.items()]
        if True in answers:
            return True
        return None if None in answers else False

    def _excludes(self, name: str, value: object, header: Fields, time: str) -> bool | None:
        if name in {"since", "until"}:
            return time < str(value) if name == "since" else time >= str(value)
        if name in _ANY_OF:
            said = header.get(_ANY_OF[name])
            return ("" if said is None else said) not in _members(value)
        actor = _part(header, "actor")
        if name == "actor_kinds":
            return actor.get("kind") not in _members(value)
        if name == "device_id":
            return _part(header, "device").get("id") != value
        if name == "actor_id" and "id" in actor:
            return actor["id"] != value
        # By index they are the subject's; everything else that can be asked for lies in the private part.
        is_subject = (name, self.by) in {("patient_id", Dimension.PATIENT), ("actor_id", Dimension.ACTOR)}
        return False if is_subject else None


def _subject(fields: Fields) -> tuple[Dimension | None, str]:
    for name, dimension in (("patient_id", Dimension.PATIENT), ("actor_id", Dimension.ACTOR)):
        if name in fields:
            return dimension, read_text(fields, name)
    systems = _members(fields.get("source_systems"))
    return (Dimension.SOURCE_SYSTEM, str(systems[0])) if len(systems) == 1 else (None, "")


def _members(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _part(header: Fields, name: str) -> Fields:
    value = header.get(name)
    return value if isinstance(value, Mapping) else {}
