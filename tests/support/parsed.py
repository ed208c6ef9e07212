"""Any record that a collector may hand in, for property tests."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from domain.event import Actor, ActorKind, AuditEvent, Device, DeviceKind, Geo, Source
from domain.record import Parsed, Rejected
from store.quarantine import Fragment

_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates too
_NAME = st.text(st.characters(exclude_categories=()), min_size=1, max_size=12)
_RAW = st.binary(max_size=60)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)

events = st.builds(
    AuditEvent,
    source_system=_NAME,
    event_id=_NAME,
    time=st.datetimes(datetime(1990, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    source=st.sampled_from(Source),
    action=_NAME,
    actor=st.builds(Actor, id=_NAME, kind=st.sampled_from(ActorKind)),
    patient_id=st.none() | _ANY_TEXT,
    outcome=st.none() | _ANY_TEXT,
    device=st.none() | st.builds(Device, id=_ANY_TEXT, kind=st.none() | st.sampled_from(DeviceKind)),
    ip=st.none() | _ANY_TEXT,
    geo=st.none()
    | st.builds(
        Geo, city=st.none() | _ANY_TEXT, country=st.none() | _ANY_TEXT, lat=st.none() | _ANY_TEXT, lon=st.none() | _ANY_TEXT
    ),
    details=st.dictionaries(_ANY_TEXT, _JSON, max_size=4),
    raw=_RAW,
    format=_ANY_TEXT,
)
rejected = st.builds(Rejected, source_system=_ANY_TEXT, format=_ANY_TEXT, reason=_ANY_TEXT, raw=_RAW)
fragments = st.builds(Fragment, source_system=_ANY_TEXT, format=_ANY_TEXT, reason=_ANY_TEXT, raw=_RAW)
parsed: st.SearchStrategy[Parsed] = st.one_of(events, rejected, fragments)
