"""The server's session accepts, bounds and answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater.model.errors import InternalError, NotFoundError, ValidationError
from gater.wire.codec import HEADROOM, decode_server_bundle
from gater.wire.frames import Cancel, End, Failure, Grant, Item, Request, Response, ServerFrame
from gater.wire.server_session import MOST_CREDIT, ServerSession, SessionLimits

NIL = msgspec.Raw(b"\xc0")


def _session(**limits: int) -> ServerSession:
    return ServerSession({"scan"}, SessionLimits(**limits))


def _give(session: ServerSession, *frames: Any) -> list[Any]:
    return session.receive(msgspec.msgpack.encode(frames))


def _sent(session: ServerSession) -> list[ServerFrame]:
    return decode_server_bundle(bytes(session.outgoing.take()[HEADROOM:]))


def _only_failure(session: ServerSession) -> Failure:
    [frame] = _sent(session)
    assert isinstance(frame, Failure)
    return frame


def test_call_is_accepted_and_answered() -> None:
    session = _session()
    request = Request(1, "get", NIL)
    assert _give(session, request) == [request]
    assert session.calls == 1
    session.answer(1, "here")
    assert session.calls == 0
    assert _sent(session) == [Response(1, msgspec.Raw(b"\xa4here"))]


def test_call_can_fail() -> None:
    session = _session()
    _give(session, Request(1, "get", NIL))
    session.fail(1, NotFoundError("snapshot", "x"))
    assert _sent(session) == [
        Failure(1, "not_found", "There is nothing of that name here", {"kind": "snapshot", "name": "x"})
    ]


def test_second_answer_is_not_sent() -> None:
    session = _session()
    _give(session, Request(1, "get", NIL))
    session.answer(1, 1)
    session.answer(1, 2)
    session.fail(1, InternalError())
    assert len(_sent(session)) == 1


def test_id_can_be_used_again_after_the_answer() -> None:
    session = _session()
    for _ in range(2):
        assert len(_give(session, Request(1, "get", NIL))) == 1
        session.answer(1, None)


def test_answer_that_cannot_be_encoded_becomes_an_internal_error() -> None:
    session = _session()
    _give(session, Request(1, "get", NIL))
    session.answer(1, object())
    assert _only_failure(session).code == "internal_error"


def test_cancelled_call_is_not_answered_but_counts_until_it_is_done() -> None:
    session = _session(max_calls=1)
    _give(session, Request(1, "get", NIL), Cancel(1))
    assert session.calls == 1
    session.answer(1, "late")
    assert session.calls == 0
    assert _sent(session) == []


def test_call_above_the_limit_is_refused_as_overloaded() -> None:
    session = _session(max_calls=1)
    assert _give(session, Request(1, "get", NIL), Request(2, "get", NIL)) == [Request(1, "get", NIL)]
    failure = _only_failure(session)
    assert (failure.id, failure.code, failure.details["limit"]) == (2, "overloaded", 1)


def test_stream_above_the_limit_is_refused_as_overloaded() -> None:
    session = _session(max_streams=1)
    _give(session, Request(1, "scan", NIL, 1), Request(2, "scan", NIL, 1), Request(3, "get", NIL))
    assert (_only_failure(session).id, session.streams, session.calls) == (2, 1, 1)


def test_stream_sends_items_for_credit_only() -> None:
    session = _session()
    _give(session, Request(1, "scan", NIL, 1))
    assert session.may_send(1)
    session.item(1, "a")
    assert not session.may_send(1)
    with pytest.raises(InternalError):
        session.item(1, "b")
    assert _give(session, Grant(1, 2)) == [Grant(1, 2)]
    session.item(1, "b")
    session.end(1)
    assert _sent(session) == [Item(1, msgspec.Raw(b"\xa1a")), Item(1, msgspec.Raw(b"\xa1b")), End(1)]


def test_stream_without_credit_waits() -> None:
    session = _session()
    _give(session, Request(1, "scan", NIL))
    assert session.is_open(1)
    assert not session.may_send(1)


def test_credit_is_bounded() -> None:
    session = _session()
    _give(session, Request(1, "scan", NIL, MOST_CREDIT), *[Grant(1, MOST_CREDIT)] * 3)
    assert session._streams[1] == MOST_CREDIT


def test_cancelled_stream_sends_nothing_more() -> None:
    session = _session()
    _give(session, Request(1, "scan", NIL, 5))
    assert _give(session, Cancel(1)) == [Cancel(1)]
    session.item(1, "late")
    session.end(1)
    assert not session.is_open(1)
    assert _sent(session) == []


def test_item_that_cannot_be_encoded_ends_the_stream() -> None:
    session = _session()
    _give(session, Request(1, "scan", NIL, 5))
    session.item(1, object())
    assert _only_failure(session).code == "internal_error"
    assert not session.is_open(1)


def test_cancel_and_grant_for_what_is_over_are_passed_over() -> None:
    session = _session()
    assert _give(session, Cancel(9), Grant(9, 1)) == []
    assert session.broken is None


@pytest.mark.parametrize("operation", ["get", "scan"])
def test_id_that_is_under_way_breaks_the_session(operation: str) -> None:
    session = _session()
    _give(session, Request(1, operation, NIL, 1))
    assert _give(session, Request(2, "get", NIL), Request(1, "get", NIL)) == []
    assert isinstance(session.broken, ValidationError)
    failure = _only_failure(session)
    assert (failure.id, failure.code) == (0, "validation_error")


def test_malformed_message_breaks_the_session_and_nothing_is_taken_after_it() -> None:
    session = _session()
    _give(session, Request(1, "get", NIL))
    assert session.receive(b"\xc1") == []
    assert _only_failure(session).id == 0
    assert _give(session, Request(2, "get", NIL)) == []
    session.answer(1, "late")
    assert _sent(session) == []


def test_malformed_message_is_refused_whole() -> None:
    session = _session()
    assert session.receive(msgspec.msgpack.encode([Request(1, "get", NIL), "nonsense"])) == []
    assert session.calls == 0


def test_draining_session_ends_streams_and_answers_calls_and_takes_nothing_new() -> None:
    session = _session()
    _give(session, Request(1, "get", NIL), Request(2, "scan", NIL, 5))
    session.drain("stopping")
    assert _give(session, Request(3, "get", NIL)) == []
    session.answer(1, None)
    session.say_goodbye("stopping")
    frames = _sent(session)
    assert [(type(frame), frame.id) for frame in frames] == [(Failure, 2), (Response, 1), (Failure, 0)]
    assert {frame.code for frame in frames if isinstance(frame, Failure)} == {"store_unavailable"}


def test_forgotten_call_is_never_answered() -> None:
    session = _session()
    _give(session, Request(1, "get", NIL))
    session.forget(1)
    session.answer(1, None)
    assert (session.calls, _sent(session)) == (0, [])
