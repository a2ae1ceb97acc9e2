"""Bundles are msgpack arrays of frames."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.wire.codec import (
    HEADROOM,
    Bundle,
    MalformedError,
    UnencodableError,
    decode_client_bundle,
    decode_server_bundle,
)
from gater.wire.frames import LARGEST_ID, Cancel, End, Failure, Grant, Item, Request, Response

CLIENT_FRAMES = [Request(1, "get", msgspec.Raw(b"\x93\x01\x02\x03"), 8), Cancel(2), Grant(LARGEST_ID, 5)]
SERVER_FRAMES = [
    Response(1, msgspec.Raw(b"\xc0")),
    Failure(0, "timeout", "Late", {"seconds": 5.0}),
    Item(2, msgspec.Raw(b"\x90")),
    End(3),
]


def _message(bundle: Bundle) -> bytes:
    return bytes(bundle.take()[HEADROOM:])


def _bundle(frames: list[Any]) -> Bundle:
    bundle = Bundle()
    for frame in frames:
        bundle.add(frame)
    return bundle


def test_client_frames_survive() -> None:
    assert decode_client_bundle(_message(_bundle(CLIENT_FRAMES))) == CLIENT_FRAMES


def test_server_frames_survive() -> None:
    assert decode_server_bundle(_message(_bundle(SERVER_FRAMES))) == SERVER_FRAMES


def test_frames_are_arrays_that_begin_with_their_number() -> None:
    assert msgspec.msgpack.decode(_message(_bundle(CLIENT_FRAMES))) == [
        [0, 1, "get", [1, 2, 3], 8],
        [1, 2],
        [2, LARGEST_ID, 5],
    ]


def test_raw_field_may_hold_any_value() -> None:
    bundle = _bundle([Response(1, {"deep": [1, None]})])  # type: ignore[arg-type]
    assert msgspec.msgpack.decode(_message(bundle)) == [[3, 1, {"deep": [1, None]}]]


def test_bundle_is_empty_after_it_was_taken() -> None:
    bundle = _bundle(CLIENT_FRAMES)
    bundle.take()
    assert bundle.frames == 0
    assert _message(bundle) == b"\xdd\x00\x00\x00\x00"


def test_bundle_is_used_again_for_a_shorter_message() -> None:
    bundle = _bundle([Response(1, "x" * 10_000)])  # type: ignore[arg-type]
    bundle.take()
    bundle.add(End(7))
    assert decode_server_bundle(_message(bundle)) == [End(7)]


def test_bundle_lets_go_of_a_large_buffer() -> None:
    bundle = _bundle([Response(1, "x" * (2 << 20))])  # type: ignore[arg-type]
    message = bundle.take()
    assert len(message) > 2 << 20
    bundle.add(End(7))
    assert bundle.take() is not message


def test_size_is_that_of_the_message() -> None:
    bundle = _bundle(SERVER_FRAMES)
    assert bundle.size == len(bundle.take()) - HEADROOM


def test_frame_that_cannot_be_encoded_leaves_the_bundle_as_it_was() -> None:
    bundle = _bundle([End(1)])
    for value in (object(), 1 << 70, "\ud800", {1: [2] * 1_000, 2: object()}):
        with pytest.raises(UnencodableError):
            bundle.add(Response(2, value))  # type: ignore[arg-type]
    assert decode_server_bundle(_message(bundle)) == [End(1)]


def test_last_frame_can_be_taken_back() -> None:
    bundle = _bundle([End(1)])
    bundle.drop_last(bundle.add(End(2)))
    bundle.add(End(3))
    assert decode_server_bundle(_message(bundle)) == [End(1), End(3)]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc0",
        b"\x90\x90",
        b"\x91\x90",
        b"\x91\x92\x63\x01",
        b"\x91\x92\x01\x00",
        b"\x91\x92\x01\xff",
        b"\x91\x92\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x91\x94\x00\x01\xa1\xff\xc0",
        b"\x91\x94\x00\x01\xa1a" + b"\x91" * 100_000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\xdd\x00\x01\x00\x01" + b"\x92\x01\x01" * 65_537,
        b"\x91\x95\x00\x01\xa1a\xc0\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
    ids=[
        "empty",
        "not an array",
        "two values",
        "a frame without elements",
        "an unknown frame",
        "id 0",
        "a negative id",
        "a huge id",
        "text that is not UTF-8",
        "too deep",
        "cut off",
        "too many frames",
        "too much credit",
    ],
)
def test_malformed_client_message_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_client_bundle(message)


def test_frames_of_the_other_side_are_refused() -> None:
    with pytest.raises(MalformedError):
        decode_client_bundle(_message(_bundle([End(1)])))
    with pytest.raises(MalformedError):
        decode_server_bundle(_message(_bundle([Cancel(1)])))


def test_elements_of_a_later_version_are_passed_over() -> None:
    assert decode_client_bundle(msgspec.msgpack.encode([[1, 5, "new"]])) == [Cancel(5)]


@given(st.binary())
def test_any_bytes_are_frames_or_malformed(message: bytes) -> None:
    for decode in (decode_client_bundle, decode_server_bundle):
        try:
            frames = decode(message)
        except MalformedError:
            continue
        assert isinstance(frames, list)


def test_a_bundle_that_was_large_keeps_little() -> None:
    bundle = Bundle()
    for size in (1_000, 60_000, 100_000, 1_000_000, 5_000_000):
        bundle.add(End(1))
        bundle.add(Item(1, bytes(size)))
        bundle.take()
        assert len(bundle._buffer) <= 64 << 10
