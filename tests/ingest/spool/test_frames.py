"""The bytes of a segment under damage: what is whole comes out, what is not is named, and nothing is made up."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.spool.frames import (
    FRAME_HEADER,
    SEGMENT_HEADER,
    Damage,
    Frame,
    Torn,
    frame,
    frames,
    read_segment_header,
    segment_header,
)

CONTENTS = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


def written(contents: list[bytes]) -> bytes:
    return b"".join(frame(1, content, at) for at, content in enumerate(contents))


def contents_of(data: bytes, *, is_last: bool = False) -> list[bytes]:
    return [found.content for found in frames(data, offset=0, is_last=is_last) if isinstance(found, Frame)]


@given(CONTENTS, st.integers(0, 10_000))
def test_what_is_written_is_read_with_its_places(contents: list[bytes], offset: int) -> None:
    found = list(frames(written(contents), offset=offset, is_last=True))

    assert [(item.content, item.at) for item in found if isinstance(item, Frame)] == [(c, at) for at, c in enumerate(contents)]
    assert len(found) == len(contents)
    assert isinstance(found[-1], Frame)
    assert found[-1].end == offset + len(written(contents))


@given(CONTENTS, st.data())
def test_a_cut_leaves_all_frames_before_it_and_says_where(contents: list[bytes], data: st.DataObject) -> None:
    whole = written(contents)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [found.end for found in frames(whole, offset=0, is_last=True) if isinstance(found, Frame)]
    before = [end for end in ends if end <= cut]

    found = list(frames(whole[:cut], offset=0, is_last=True))

    assert [item for item in found if isinstance(item, Damage)] == []
    assert [item.content for item in found if isinstance(item, Frame)] == contents[: len(before)]
    torn = [item for item in found if isinstance(item, Torn)]
    begins = before[-1] if before else 0
    assert torn == ([Torn(begins, cut)] if cut > begins else [])


@given(CONTENTS, st.data(), st.booleans())
def test_a_changed_byte_costs_one_frame_and_every_byte_is_accounted_for(
    contents: list[bytes], data: st.DataObject, is_last: bool
) -> None:
    whole = bytearray(written(contents))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    ends = [0, *(found.end for found in frames(written(contents), offset=0, is_last=True) if isinstance(found, Frame))]
    (hit,) = (index for index in range(len(contents)) if ends[index] <= place < ends[index + 1])

    found = list(frames(bytes(whole), offset=0, is_last=is_last))

    assert [item.content for item in found if isinstance(item, Frame)] == contents[:hit] + contents[hit + 1 :]
    (damage,) = (item for item in found if not isinstance(item, Frame))
    assert isinstance(damage, Damage), "a changed byte is never taken for a tail that was not finished"
    assert (damage.start, damage.end) == (ends[hit], ends[hit + 1])
    assert damage.content == bytes(whole[damage.start : damage.end])


@given(CONTENTS, st.binary(min_size=1, max_size=200), CONTENTS)
def test_strange_bytes_in_between_are_kept_and_the_rest_is_read(before: list[bytes], strange: bytes, after: list[bytes]) -> None:
    found = list(frames(written(before) + strange + written(after), offset=0, is_last=True))

    assert [item.content for item in found if isinstance(item, Frame)] == before + after
    assert b"".join(item.content for item in found if isinstance(item, Damage)) == strange


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_without_an_error_and_none_goes_missing(data: bytes, is_last: bool) -> None:
    covered = 0
    for item in frames(data, offset=0, is_last=is_last):
        covered = item.end
    assert covered == len(data)


def test_zeros_at_the_end_are_a_tail_after_a_loss_of_power() -> None:
    whole = written([b"one"])

    assert list(frames(whole + bytes(4096), offset=0, is_last=True))[1:] == [Torn(len(whole), len(whole) + 4096)]
    (damage,) = list(frames(whole + bytes(100), offset=0, is_last=False))[1:]
    assert isinstance(damage, Damage), "where more was written after it, an end is no tail"


def test_a_frame_inside_a_record_is_not_a_frame() -> None:
    inner = frame(1, b"forged", 0)
    outer = bytearray(frame(1, b"before" + inner + b"after", 0))
    outer[FRAME_HEADER] ^= 1

    assert contents_of(bytes(outer) + written([b"next"])) == [b"next"]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.data())
def test_a_segment_header_is_read_or_refused(number: int, previous: int, data: st.DataObject) -> None:
    header = segment_header(number, previous)
    changed = bytearray(header)
    changed[data.draw(st.integers(0, len(header) - 1))] ^= data.draw(st.integers(1, 255))

    assert len(header) == SEGMENT_HEADER
    assert read_segment_header(header + b"more") == (number, previous)
    assert read_segment_header(bytes(changed)) is None
    assert read_segment_header(header[:-1]) is None
