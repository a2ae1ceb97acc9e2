"""The frames of a message, found by a walk over its values."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.wire.codec import MalformedError
from gater.wire.frame_spans import first_items, frame_spans, list_length

encode = msgspec.msgpack.encode

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=30,
)


def count(value: Any) -> int:
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    if isinstance(value, dict):
        return 1 + sum([2 + count(inner) - 1 for inner in value.values()])
    return 1


@given(st.lists(VALUES, max_size=20))
def test_spans_are_those_of_the_frames_with_the_number_of_their_values(frames: list[Any]) -> None:
    message = encode(frames)
    spans = list(frame_spans(message, 1 << 30))
    assert [msgspec.msgpack.decode(message[start:end]) for start, end, _ in spans] == frames
    assert [values for _, _, values in spans] == [count(frame) for frame in frames]


@given(st.lists(VALUES, min_size=1, max_size=5), st.data())
def test_a_message_that_is_cut_is_malformed(frames: list[Any], data: st.DataObject) -> None:
    message = encode(frames)
    cut = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(MalformedError):
        list(frame_spans(message[:cut], 1 << 30))


@pytest.mark.parametrize(
    "message", [b"\xc1", b"\x91\xc1", b"\x90\x00", b"\x01", b"", b"\x81\x01\x02", b"\xdd\xff\xff\xff\xff"]
)
def test_what_is_no_list_of_frames_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedError):
        list(frame_spans(message, 100))


def test_a_last_frame_of_too_many_values_is_not_walked_to_its_end() -> None:
    message = encode([[1], [2, 3, "name", [4] * 1_000]])
    first, last = frame_spans(message, 100)
    assert (first.values, last.end) == (2, len(message))
    assert last.values == 101
    assert first_items(message, last.start, 3) == encode([2, 3, "name"])[1:]


@pytest.mark.parametrize(
    ("value", "length"), [([], 0), ([1] * 15, 15), ([1] * 16, 16), ([1] * 70_000, 70_000), (5, None)]
)
def test_the_length_of_a_list_is_read_from_its_head(value: Any, length: int | None) -> None:
    assert list_length(encode(value)[:5]) == length
