"""The client's session numbers requests and finds who waits for each frame."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater.model.errors import OverloadedError, RequestTooLargeError, StoreUnavailableError, ValidationError
from gater.wire.client_session import ClientSession
from gater.wire.codec import HEADROOM, decode_client_bundle
from gater.wire.frames import Cancel, ClientFrame, End, Failure, Grant, Item, Request, Response

NIL = msgspec.Raw(b"\xc0")
Session = ClientSession[str, str]


def _give(session: Session, *frames: Any) -> list[Any]:
    return session.receive(msgspec.msgpack.encode(frames))


def _sent(session: Session) -> list[ClientFrame]:
    return decode_client_bundle(bytes(session.outgoing.take()[HEADROOM:]))


def test_requests_are_numbered_from_one() -> None:
    session = Session()
    assert [session.call("a", "get", None), session.open("b", "scan", [1], 4)] == [1, 2]
    assert _sent(session) == [Request(1, "get", NIL), Request(2, "scan", msgspec.Raw(b"\x91\x01"), 4)]


def test_answer_reaches_the_caller_once() -> None:
    session = Session()
    session.call("a", "get", None)
    assert _give(session, Response(1, NIL)) == [("a", Response(1, NIL))]
    assert _give(session, Response(1, NIL)) == []
    assert not session.calls


def test_failure_reaches_the_caller() -> None:
    session = Session()
    session.call("a", "get", None)
    failure = Failure(1, "timeout", "Late", {})
    assert _give(session, failure) == [("a", failure)]


def test_items_and_end_reach_the_reader() -> None:
    session = Session()
    session.open("r", "scan", None, 2)
    assert _give(session, Item(1, NIL), Item(1, NIL), End(1)) == [
        ("r", Item(1, NIL)),
        ("r", Item(1, NIL)),
        ("r", End(1)),
    ]
    assert not session.streams


def test_grant_lets_the_stream_go_on() -> None:
    session = Session()
    session.open("r", "scan", None, 1)
    _give(session, Item(1, NIL))
    session.grant(1, 3)
    assert _sent(session)[-1] == Grant(1, 3)
    assert len(_give(session, *[Item(1, NIL)] * 3)) == 3


def test_item_beyond_the_credit_breaks_the_session() -> None:
    session = Session()
    session.open("r", "scan", None, 1)
    assert _give(session, Item(1, NIL), Item(1, NIL)) == [("r", Item(1, NIL))]
    assert isinstance(session.broken, ValidationError)


def test_cancelled_requests_get_nothing_more() -> None:
    session = Session()
    session.call("a", "get", None)
    session.open("r", "scan", None, 1)
    _sent(session)
    session.cancel(1)
    session.cancel(2)
    session.cancel(2)
    assert _sent(session) == [Cancel(1), Cancel(2)]
    assert _give(session, Response(1, NIL), Item(2, NIL), End(2)) == []
    assert session.broken is None


def test_nothing_is_granted_to_a_stream_that_is_over() -> None:
    session = Session()
    session.open("r", "scan", None, 1)
    _give(session, End(1))
    _sent(session)
    session.grant(1, 1)
    assert _sent(session) == []


@pytest.mark.parametrize(
    "frame",
    [Response(3, NIL), Item(3, NIL), End(3), Failure(3, "timeout", "", {}), Response(2, NIL), Item(1, NIL), End(1)],
)
def test_frame_that_nobody_asked_for_breaks_the_session(frame: Any) -> None:
    session = Session()
    session.call("a", "get", None)
    session.open("r", "scan", None, 1)
    assert _give(session, frame) == []
    assert session.broken is not None
    assert _give(session, Response(1, NIL)) == []


def test_malformed_message_breaks_the_session() -> None:
    session = Session()
    assert session.receive(b"\xc1") == []
    assert session.broken is not None


def test_goodbye_is_kept() -> None:
    session = Session()
    assert _give(session, Failure(0, "store_unavailable", "Gone", {"reason": "stopping"})) == []
    assert isinstance(session.goodbye, StoreUnavailableError)
    assert session.goodbye.reason == "stopping"


def test_request_above_the_limit_is_not_sent() -> None:
    session = Session(100)
    with pytest.raises(RequestTooLargeError) as refused:
        session.call("a", "put", "x" * 200)
    assert (refused.value.size, refused.value.limit) == (210, 100)
    assert session.call("b", "put", "x") == 1
    assert [frame.id for frame in _sent(session)] == [1]
    assert dict(session.calls) == {1: "b"}


def test_request_that_cannot_be_encoded_is_not_sent() -> None:
    session = Session()
    with pytest.raises(ValidationError):
        session.call("a", "put", object())
    assert _sent(session) == []
    assert not session.calls


def test_error_of_the_connection_other_than_goodbye_is_kept_too() -> None:
    session = Session()
    _give(session, Failure(0, "overloaded", "Too much", {}))
    assert isinstance(session.goodbye, OverloadedError)
