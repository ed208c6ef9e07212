"""IHE ITI-81: what a search finds is what is shown to fit, pages neither skip nor repeat, and every answer is in the ledger."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from api.app import create_app
from api.fhir_audit_event import audit_event
from api.fhir_query import asked
from api.routes import fhir_search
from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Source
from domain.json import Json
from ingest.parsers.fhir import FhirParser
from store.accounts import Role
from store.engine import Engine
from store.fhir_search import FhirSearch
from tests.api.conftest import NEW_YORK, House
from tests.api.ledger_rows import NOON, access, put

OTHERS = "source=ehr,portal,mx1,fhir-node"
"""Everything but what this system recorded of its own reads."""

DCM = "http://dicom.nema.org/resources/ontology/DCM"
REST = {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"}


def resource(number: int, **changes: object) -> dict[str, object]:
    """A valid R4 AuditEvent of a read of one record."""
    base: dict[str, object] = {
        "resourceType": "AuditEvent",
        "id": f"ae-{number}",
        "meta": {"profile": ["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"]},
        "type": REST,
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R",
        "recorded": (NOON + timedelta(seconds=100 + number)).isoformat(),
        "outcome": "0",
        "agent": [
            {"who": {"reference": "Practitioner/carol"}, "requestor": True, "network": {"address": "10.9.9.9", "type": "2"}},
            {
                "who": {"identifier": {"system": "urn:x", "value": "ehr-app"}},
                "altId": "app-7",
                "name": "EHR App",
                "requestor": False,
            },
        ],
        "source": {"observer": {"identifier": {"value": "ehr-node"}, "display": "ehr.clinic.example"}},
        "entity": [
            {
                "what": {"reference": "Patient/P-7"},
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
                "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"},
            },
            {"what": {"reference": "Observation/o-1"}, "role": {"code": "4"}},
        ],
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def parsed(*resources: Mapping[str, object]) -> list[AuditEvent]:
    events = [one for body in resources for one in FhirParser("fhir-node").parse(json.dumps(body).encode())]
    found = [one for one in events if isinstance(one, AuditEvent)]
    assert found == events
    return found


def everything() -> list[AuditEvent]:
    """Events of every kind, and FHIR records that are valid, of several patients, of R5 and not quite valid."""
    person, machine = Actor(id="pat", kind=ActorKind.PATIENT), Actor(id="mx1", kind=ActorKind.SYSTEM)
    ours = [
        access(0),
        access(1, action="edit_note", outcome="failure", patient_id="P-2", ip="10.1.2.30"),
        access(2, action="search", patient_id=None, details={"target_id": "T-9"}),
        access(3, action="login", patient_id=None, outcome="denied", device=None),
        access(4, action="logout", patient_id=None, outcome=None, ip=None, device=Device(id="WS-77", kind=DeviceKind.WORKSTATION)),
        access(5, action="export", details={"module": "chart", "patient_authority": "1.2.3"}),
        access(6, action="break_glass", details={}),
        access(7, action="http_request", patient_id=None, actor=Actor(id="203.0.113.9", kind=ActorKind.EXTERNAL), ip="203.0.113.9"),
        access(8, action="view_results", source=Source.PORTAL, actor=person, patient_id="P-2", source_system="portal"),
        access(9, action="deliver", source=Source.MAIL, actor=machine, outcome="deferred", source_system="mx1"),
        access(10, action="chart_merge", patient_id=None, details={}),
        access(11, action="delete_note"),
        access(12, action="create_order"),
        access(13, action="privilege_change", patient_id=None),
        access(14, action="audit_stop", patient_id=None),
        access(15, patient_id="P 8/é", details={"reason": "Überweisung"}, outcome="failure"),
    ]
    two = [*resource(2)["entity"], {"what": {"reference": "Patient/P-8"}, "role": {"code": "1"}}]  # type: ignore[misc]
    came = parsed(
        resource(1),
        resource(2, entity=two, text={"status": "generated", "div": "<div>P-7 and P-8</div>"}),
        resource(
            3,
            type={"system": DCM, "code": "110114"},
            subtype=[{"system": DCM, "code": "110122"}],
            outcome="8",
            action="E",
            entity=None,
        ),
        resource(4, outcome=None, action=None, subtype=None),
        resource(5, source=None),
        resource(6, agent=[{"who": {"identifier": {"value": "dora"}}}]),
        {
            **resource(7, type=None, subtype=None, outcome=None),
            "category": [{"coding": [REST]}],
            "code": {"coding": [{"code": "read"}]},
            "outcome": {"code": {"code": "success"}},
        },
    )
    return [*ours, *came]


def read(engine: Engine, query: str) -> list[dict[str, Json]]:
    """What a search shows, without the way over HTTP."""
    wanted = asked(parse_qsl(query, keep_blank_values=True), lenient=False, zone=NEW_YORK)
    page = FhirSearch(engine).search(wanted.query, wanted.cursor, wanted.count)
    assert page.next is None
    return [json.loads(json.dumps(audit_event(stored))) for stored in page.events]


def found(engine: Engine, query: str) -> list[str]:
    return [str(one["id"]) for one in read(engine, query)]


@dataclass
class Repository:
    """An application with this route, what is in its ledger, and someone who may read."""

    house: House
    client: httpx.Client

    def search(self, query: str, **headers: str) -> Mapping[str, object]:
        answer = self.client.get(f"/fhir/AuditEvent?{query}", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json"), answer.text
        bundle: Mapping[str, object] = answer.json()
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
        return bundle

    def found(self, query: str) -> list[str]:
        return [str(one["id"]) for one in resources(self.search(query))]


def resources(bundle: Mapping[str, object]) -> list[dict[str, Json]]:
    entries = bundle.get("entry", [])
    assert isinstance(entries, list)
    return [entry["resource"] for entry in entries]


def repository(house: House) -> Repository:
    app = create_app(house.services, [fhir_search.router])
    return Repository(house, replace(house, app=app).program(Role.AUDITOR))


@pytest.fixture
def full(house: House) -> Repository:
    """A repository with one of everything."""
    house.node.ledger.append(everything())
    return repository(house)


# --- What is shown ---------------------------------------------------------------------------------------------------------------


def inside(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from inside(inner)


def check(one: Mapping[str, Json]) -> None:
    """The structure that R4 asks of an AuditEvent, and of JSON in FHIR."""
    assert one["resourceType"] == "AuditEvent"
    assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", str(one["id"]))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", str(one["recorded"]))
    kind, agents, source = one["type"], one["agent"], one["source"]
    assert isinstance(kind, Mapping)
    assert isinstance(agents, list)
    assert isinstance(source, Mapping)
    assert kind["code"]
    assert source["observer"]
    assert agents
    assert all(isinstance(agent["requestor"], bool) for agent in agents)
    assert one.get("action", "R") in tuple("CRUDE")
    assert one.get("outcome", "0") in ("0", "4", "8", "12")
    assert isinstance(one.get("subtype", []), list)
    assert isinstance(one.get("entity", []), list)
    assert all(value not in (None, "", [], {}) for value in inside(dict(one)))


def test_everything_is_shown_as_a_valid_audit_event(engine: Engine) -> None:
    put(engine, everything())

    shown = read(engine, "_count=1000")
    assert len(shown) == len(everything())
    for one in shown:
        check(one)


def test_an_event_of_ours_as_an_audit_event(engine: Engine) -> None:
    put(engine, everything())
    (one,) = read(engine, "_id=w1-0")

    assert one == {
        "resourceType": "AuditEvent",
        "id": "w1-0",
        "meta": one["meta"],
        "type": {"system": DCM, "code": "110110"},
        "subtype": [{"system": "urn:phitrail:action", "code": "view_chart"}],
        "action": "R",
        "recorded": "2026-03-10T12:00:00.000000Z",
        "outcome": "0",
        "agent": [
            {
                "type": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/extra-security-role-type", "code": "humanuser"}]
                },
                "who": {"identifier": {"value": "alice"}},
                "altId": "alice",
                "requestor": True,
                "network": {"address": "10.1.2.3", "type": "2"},
            },
            {
                "type": {"coding": [{"system": DCM, "code": "110150"}]},
                "who": {"display": "ws-07"},
                "requestor": False,
                "network": {"address": "ws-07", "type": "1"},
            },
        ],
        "source": {
            "observer": {"identifier": {"value": "ehr"}, "display": "ehr"},
            "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}],
        },
        "entity": [
            {
                "what": {"type": "Patient", "identifier": {"value": "P-1"}, "reference": "Patient/P-1"},
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
                "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"},
            },
            {
                "name": "chart",
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"},
                "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "4"},
            },
        ],
    }


def test_what_came_as_an_audit_event_is_shown_as_it_came(engine: Engine) -> None:
    put(engine, everything())
    (one,) = read(engine, "patient=P-7&type=rest&date=eq2026-03-10T12:01:41Z")
    sent = resource(1)
    meta = one.pop("meta")

    assert isinstance(meta, Mapping)
    assert meta["profile"] == sent.pop("meta")["profile"]  # type: ignore[index]
    assert one == {**sent, "id": one["id"]}


def test_an_entry_about_one_patient_does_not_show_another(engine: Engine) -> None:
    put(engine, everything())
    for patient, other in (("P-7", "P-8"), ("P-8", "P-7")):
        (one,) = read(engine, f"patient={patient}&date=eq2026-03-10T12:01:42Z")
        assert f"Patient/{patient}" in json.dumps(one)
        assert other not in json.dumps(one)


# --- What is found ---------------------------------------------------------------------------------------------------------------

Check = Callable[[Mapping[str, Json]], bool]


def listed(one: Mapping[str, Json], name: str) -> Sequence[Mapping[str, Json]]:
    found = one.get(name, [])
    assert isinstance(found, list)
    return found


def coded(value: object, code: str, system: str | None = None) -> bool:
    return isinstance(value, Mapping) and value.get("code") == code and system in (None, value.get("system"))


SEARCHES: Sequence[tuple[str, Check]] = [
    *((f"action={code}", lambda one, code=code: one.get("action") == code) for code in "CRUDE"),
    *((f"outcome={code}", lambda one, code=code: one.get("outcome") == code) for code in ("0", "4", "8", "12")),
    *(
        (f"type={code}", lambda one, code=code: coded(one["type"], code))
        for code in ("110106", "110110", "110112", "110113", "110114", "rest", "mail", "access", "portal", "110100", "none")
    ),
    (f"type={DCM}|110114", lambda one: coded(one["type"], "110114", DCM)),
    (f"type={REST['system']}|rest", lambda one: coded(one["type"], "rest", REST["system"])),
    ("type=urn:x|110114", lambda one: coded(one["type"], "110114", "urn:x")),
    *(
        (f"subtype={code}", lambda one, code=code: any(coded(x, code) for x in listed(one, "subtype")))
        for code in ("110122", "110123", "110127", "110133", "110136", "read", "view_chart", "chart_merge", "none")
    ),
    (f"subtype={DCM}|110122", lambda one: any(coded(x, "110122", DCM) for x in listed(one, "subtype"))),
    (
        "subtype=urn:phitrail:action|login",
        lambda one: any(coded(x, "login", "urn:phitrail:action") for x in listed(one, "subtype")),
    ),
    *(
        (f"entity-type={code}", lambda one, code=code: any(coded(x.get("type"), code) for x in listed(one, "entity")))
        for code in ("1", "2", "3")
    ),
    *(
        (f"entity-role={code}", lambda one, code=code: any(coded(x.get("role"), code) for x in listed(one, "entity")))
        for code in ("1", "4", "24", "3")
    ),
    ("action=R,C&outcome=0", lambda one: one.get("action") in ("R", "C") and one.get("outcome") == "0"),
    ("_id=w1-3,w1-5", lambda one: one["id"] in ("w1-3", "w1-5")),
]


def test_what_is_found_is_what_is_shown_to_fit(engine: Engine) -> None:
    put(engine, everything())
    shown = read(engine, "_count=1000")
    hits = 0
    for query, fits in SEARCHES:
        expected = [str(one["id"]) for one in shown if fits(one)]
        assert found(engine, query) == expected, query
        hits += len(expected)
    assert hits > 100


PEOPLE: Sequence[tuple[str, int]] = [
    *(
        ("patient=P-1", 6),
        ("patient=Patient/P-1", 6),
        ("patient:Patient=P-1", 6),
        ("patient=https://x.example/fhir/Patient/P-1", 6),
    ),
    *(("patient=Device/P-1", 0), ("patient=P-2", 2), ("patient=P-1,P-2", 8), ("patient=P-1&patient=P-2", 0), ("patient=p-1", 0)),
    *(("patient.identifier=P-1", 6), ("patient.identifier=urn:oid:1.2.3|P-1", 6), ("patient.identifier=urn:oid:9.9|P-1", 5)),
    *(("patient:identifier=P-2", 2), ("patient=P%208/%C3%A9", 1)),
    *(("agent=alice", 13), ("agent=Practitioner/alice", 13), ("agent=Patient/alice", 0), ("agent=Patient/pat", 1)),
    *(("agent=Device/mx1", 1), ("agent=Practitioner/carol", 7), ("agent=carol", 7), ("agent.identifier=ehr-app", 7)),
    *(("agent.identifier=urn:x|ehr-app", 7), ("agent.identifier=urn:y|ehr-app", 0), ("agent.identifier=dora", 1)),
    *(("altid=app-7", 7), ("altid=alice", 13)),
    *(("agent-name=ehr%20app", 7), ("agent-name=app", 0), ("agent-name:contains=app", 7), ("agent-name:exact=EHR%20App", 7)),
    *(("address=10.9.9.9", 7), ("address=10.1.2.3", 14), ("address:exact=10.1.2.3", 13), ("address=ws-77", 1)),
    *(("entity=Observation/o-1", 7), ("entity=Patient/P-7", 6), ("entity=T-9", 1), ("entity.identifier=P-1", 6)),
    *(
        ("source=portal", 1),
        ("source.identifier=ehr-node", 6),
        ("source=ehr.clinic.example", 6),
        ("source.identifier=fhir-node", 8),
    ),
]


def test_people_places_and_things(engine: Engine) -> None:
    put(engine, everything())

    for query, count in PEOPLE:
        assert (query, len(found(engine, query))) == (query, count)


DATES: Sequence[tuple[str, Sequence[int]]] = [
    *(("date=2026-03-10", range(16)), ("date=eq2026-03-10T12:00:05Z", [5]), ("date=2026-03-10T08:00:05-04:00", [5])),
    *(("date=2026-03-10T12:00:05.000Z", [5]), ("date=2026-03-10T12:00:05.5Z", []), ("date=2026-03-10T12:00Z", range(16))),
    *(("date=ge2026-03-10T12:00:14Z", [14, 15]), ("date=gt2026-03-10T12:00:14Z", [15]), ("date=sa2026-03-10T12:00:14Z", [15])),
    *(("date=le2026-03-10T12:00:01Z", [0, 1]), ("date=lt2026-03-10T12:00:01Z", [0]), ("date=eb2026-03-10T12:00:01Z", [0])),
    *(("date=ge2026-03-10T12:00:03Z&date=lt2026-03-10T12:00:05Z", [3, 4]), ("date=gt2026", []), ("date=2026-03", range(16))),
    *(("date=ne2026-03-10", []), ("date=2026-03-10T12:00:01Z,2026-03-10T12:00:03Z", [1, 3]), ("date=lt2026-03-10", [])),
    *(("date=ge2026-03-10T07:59:59", range(16)), ("date=ge2026-03-10T08:00:15%2B00:00", range(16)), ("date=2025-12", [])),
    *(("date=ge2026-03-10T12:00:15+00:00", [15]), ("date=le2026-02", []), ("date=ge2026-04", [])),
]


def test_dates_are_spans_of_their_precision(engine: Engine) -> None:
    put(engine, [access(number) for number in range(16)])

    for query, seconds in DATES:
        assert (query, found(engine, f"{query}&_sort=date")) == (query, [f"w1-{number}" for number in seconds])


# --- Pages -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sort", "backwards"), [("-date", True), ("date", False)])
def test_pages_neither_skip_nor_repeat(house: House, sort: str, backwards: bool) -> None:
    moments = [NOON + timedelta(seconds=number // 3) for number in range(20)]
    house.node.ledger.append([access(number, time=moment) for number, moment in enumerate(moments)])
    reader = repository(house)
    seen: list[str] = []
    link: str | None = f"source=ehr&patient=P-1&_count=7&_sort={sort}"
    pages = 0
    while link is not None:
        bundle = reader.search(link)
        house.node.ledger.append([access(100 + pages, time=NOON + timedelta(seconds=60 if backwards else -60))])
        seen += [str(one["id"]) for one in resources(bundle)]
        links = {one["relation"]: one["url"] for one in bundle["link"]}  # type: ignore[attr-defined]
        assert dict(parse_qsl(urlsplit(links["self"]).query))["patient"] == "P-1"
        link = urlsplit(links["next"]).query if "next" in links else None
        pages += 1
    expected = [f"main-{number}" for number in range(20)]
    assert [one for one in seen if one in expected] == (expected[::-1] if backwards else expected)
    assert len(set(seen)) == len(seen)
    assert pages == 3


def test_the_total_is_counted_where_it_is_asked_for(full: Repository) -> None:
    assert "total" not in full.search("patient=P-1&_count=2")
    counted = full.search(f"patient=P-1&{OTHERS}&_count=2&_total=accurate")
    assert (counted["total"], len(resources(counted))) == (6, 2)
    assert full.search(f"patient=P-1&{OTHERS}&_count=0")["total"] == 6
    empty = full.search("patient=nobody")
    assert "entry" not in empty


# --- What is refused -------------------------------------------------------------------------------------------------------------


REFUSED: Sequence[tuple[str, str, str]] = [
    ("pateint=SECRET", "not-supported", "Pateint is no search parameter here"),
    ("site=x", "not-supported", "Site is no search parameter here"),
    ("patient:missing=true", "not-supported", "Patient:missing is no search parameter here"),
    ("address:above=x", "not-supported", "Address:above is no search parameter"),
    ("SECRET%20x=1", "not-supported", "A name that is none is no search parameter"),
    ("_sort=patient", "not-supported", "_sort may be date or -date"),
    ("_format=xml", "not-supported", "_format may be json"),
    ("_count=SECRET", "invalid", "_count is no number"),
    ("_total=SECRET", "invalid", "_total may be none"),
    ("date=SECRET", "invalid", "Date is no date of FHIR"),
    ("date=ap2026", "invalid", "Date is no date of FHIR"),
    ("date=2026-02-30", "invalid", "Date is no date that exists"),
    ("date=ge9999", "invalid", "Date is no date that exists"),
    ("patient:Patient=Device/SECRET", "invalid", "Patient has one resource type in its modifier"),
    ("type=http://x|", "invalid", "Type needs a code"),
    ("patient=" + "P" * 600, "invalid", "Patient has a value of no or more than 512 characters"),
    ("_cursor=SECRET", "invalid", "The cursor is not one this service gave"),
    ("&".join(f"patient=P-{number}" for number in range(60)), "invalid", "A search may have 50 values"),
]


def test_what_cannot_be_answered_is_refused(house: House) -> None:
    client = repository(house).client
    for query, code, text in REFUSED:
        answer = client.get(f"/fhir/AuditEvent?{query}")
        (issue,) = answer.json()["issue"]

        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/fhir+json")
        assert (answer.json()["resourceType"], issue["severity"], issue["code"]) == ("OperationOutcome", "error", code)
        assert issue["diagnostics"].startswith(text)
        assert "SECRET" not in answer.text
    assert house.recorded() == []


def test_lenient_handling_leaves_out_what_is_not_known_and_says_so(full: Repository) -> None:
    for prefer in ("handling=lenient", 'return=minimal; handling="lenient"'):
        bundle = full.search("patient=P-2&site=x&patient:missing=true&source=portal", Prefer=prefer)
        links = {one["relation"]: one["url"] for one in bundle["link"]}  # type: ignore[attr-defined]

        assert len(resources(bundle)) == 1
        assert urlsplit(links["self"]).query == "patient=P-2&source=portal"
    assert full.client.get("/fhir/AuditEvent?site=x", headers={"Prefer": "handling=strict"}).status_code == 400
    assert full.client.get("/fhir/AuditEvent?date=SECRET", headers={"Prefer": "handling=lenient"}).status_code == 400


# --- Who may, and that it is recorded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.ADMIN, Role.COLLECTOR])
def test_who_may_not_see_phi_sees_none(house: House, role: Role) -> None:
    app = create_app(house.services, [fhir_search.router])
    client = replace(house, app=app).program(role)

    assert client.get("/fhir/AuditEvent?patient=P-1").status_code == 403
    assert client.get("/fhir/AuditEvent/main-0").status_code == 403
    assert replace(house, app=app).visitor().get("/fhir/AuditEvent").status_code == 401


def test_every_read_is_in_the_ledger_with_the_names_of_its_filters(full: Repository) -> None:
    full.search("patient=P-1&date=ge2026-03-10&address=10.1&_count=3")
    full.search("patient=P-1,P-2")
    full.client.get("/fhir/AuditEvent/main-1")

    first, second, third = full.house.recorded()
    assert first[1:3] == ("P-1", "success")
    assert json.loads(str(first[3])) == {"route": "GET /fhir/AuditEvent", "filters": ["address", "date", "patient"], "rows": 3}
    assert second[1] == ""
    assert (third[1], json.loads(str(third[3]))["route"]) == ("P-2", "GET /fhir/AuditEvent/{identifier}")


def test_one_audit_event_by_its_id(full: Repository) -> None:
    (searched,) = resources(full.search("_id=main-1"))
    entries = full.search("_id=main-1")["entry"]
    assert isinstance(entries, list)
    (entry,) = entries

    assert full.client.get("/fhir/AuditEvent/main-1").json() == searched
    assert full.client.get(urlsplit(str(entry["fullUrl"])).path).json() == searched
    for unknown in ("main-999", "main", "main-x", "main-99999999999999999999", "-1", "SECRET"):
        answer = full.client.get(f"/fhir/AuditEvent/{unknown}")
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")
        assert "SECRET" not in answer.text
