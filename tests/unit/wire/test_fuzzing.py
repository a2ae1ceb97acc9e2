"""Whatever arrives, a session does one of the things it is made for."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gater.wire.client_session import ClientSession
from gater.wire.codec import HEADROOM, decode_client_bundle, decode_server_bundle
from gater.wire.frames import Cancel, End, Failure, Grant, Item, Request, Response
from gater.wire.server_session import ServerSession, SessionLimits

LIMITS = SessionLimits(max_calls=3, max_streams=2)

ids = st.integers(1, 6)
raw = st.sampled_from([msgspec.Raw(b"\xc0"), msgspec.Raw(b"\x90"), msgspec.Raw(b"\x92\xa1a\x01")])
client_frames = st.one_of(
    st.builds(Request, ids, st.sampled_from(["get", "scan", "", "unknown"]), raw, st.integers(0, 3)),
    st.builds(Cancel, ids),
    st.builds(Grant, ids, st.integers(0, 1 << 31)),
)
server_frames = st.one_of(
    st.builds(Response, ids, raw),
    st.builds(Failure, st.integers(0, 6), st.sampled_from(["timeout", "", "new"]), st.text(), st.just({"a": None})),
    st.builds(Item, ids, raw),
    st.builds(End, ids),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text() | st.binary() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
frame_shaped = st.lists(st.lists(st.integers(-1, 8) | plain, max_size=6), max_size=4)


def _messages(frames: st.SearchStrategy[Any]) -> st.SearchStrategy[list[bytes]]:
    bundles = st.lists(frames, max_size=6).map(msgspec.msgpack.encode)
    junk = st.binary(max_size=40) | (plain | frame_shaped).map(msgspec.msgpack.encode)
    return st.lists(bundles | junk | bundles, max_size=8)


@given(_messages(client_frames), st.data())
def test_server_session_takes_anything(messages: list[bytes], data: Any) -> None:
    session = ServerSession({"scan"}, LIMITS)
    begun: set[int] = set()
    for message in messages:
        broken = session.broken
        accepted = session.receive(message)
        assert not accepted or broken is None
        for frame in accepted:
            if isinstance(frame, Request):
                begun.add(frame.id)
        assert session.calls <= LIMITS.max_calls
        assert session.streams <= LIMITS.max_streams
        for request_id in data.draw(st.sets(st.sampled_from(sorted(begun)))) if begun else ():
            session.answer(request_id, None)
            if session.may_send(request_id):
                session.item(request_id, None)
            session.end(request_id)
    sent = decode_server_bundle(bytes(session.outgoing.take()[HEADROOM:]))
    goodbyes = [frame for frame in sent if isinstance(frame, Failure) and frame.id == 0]
    assert len(goodbyes) == (session.broken is not None)
    assert sent[-1:] == goodbyes or not goodbyes


@given(_messages(server_frames), st.integers(0, 4))
def test_client_session_takes_anything(messages: list[bytes], asked: int) -> None:
    session: ClientSession[int, int] = ClientSession()
    for number in range(asked):
        if number % 2:
            session.open(number, "scan", None, 2)
        else:
            session.call(number, "get", None)
    over: set[int] = set()
    for message in messages:
        broken = session.broken
        received = session.receive(message)
        assert not received or broken is None
        for waiting, frame in received:
            assert waiting not in over
            assert waiting + 1 == frame.id
            if not isinstance(frame, Item):
                over.add(waiting)
    assert len(decode_client_bundle(bytes(session.outgoing.take()[HEADROOM:]))) == asked
