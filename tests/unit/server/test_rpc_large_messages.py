"""Messages of many frames: begun some at a time, in order, before what follows them."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gater.model.errors import OverloadedError
from gater.model.limits import Limits
from gater.model.memory_budget import Share
from gater.server.large_requests import LargeRequests
from gater.server.rpc_large_messages import LargeMessages
from gater.wire.codec import MOST_CLIENT_FRAMES
from gater.wire.frames import ClientFrame, Request
from gater.wire.server_session import ServerSession, SessionLimits

NIL = msgspec.Raw(b"\xc0")


def bundle(start: int, count: int) -> bytes:
    return msgspec.msgpack.encode([Request(number, "get", NIL) for number in range(start, start + count)])


class Connection:
    """What begins the frames of the messages, and how it was given them."""

    def __init__(self, room: int = 64 << 20, max_calls: int = 1 << 20) -> None:
        self.session = ServerSession((), SessionLimits(max_calls=max_calls))
        self.share = Share("requests", room)
        self.tasks: set[asyncio.Task[None]] = set()
        self.begun: list[int] = []
        self.most_at_once = 0
        self.turns = 0
        """Turns of the event loop that others had until the last frame was begun."""
        self.changes = 0
        self.messages = LargeMessages(
            LargeRequests(), Limits(), self.share, self.session, self.tasks, take=self.take, changed=self.changed
        )

    def take(self, frames: list[ClientFrame]) -> None:
        self.begun += [frame.id for frame in frames]
        self.most_at_once = max(self.most_at_once, len(frames))

    def changed(self) -> None:
        self.changes += 1

    async def finished(self) -> None:
        """Wait until all was begun, counting the turns that others have between the first frame and the last."""
        while self.tasks:
            self.turns += bool(self.begun)
            await asyncio.sleep(0)


async def test_others_have_their_turn_between_the_frames_of_a_message() -> None:
    connection = Connection()
    message = bundle(1, MOST_CLIENT_FRAMES)
    assert connection.messages.keeps(message)
    assert connection.share.used == len(message)
    await connection.finished()
    assert connection.begun == [*range(1, MOST_CLIENT_FRAMES + 1)]
    assert connection.most_at_once <= 1_000
    assert connection.turns >= MOST_CLIENT_FRAMES // 1_000
    assert connection.share.used == 0
    assert connection.changes == 2


async def test_a_message_that_follows_is_begun_after_it() -> None:
    connection = Connection()
    assert not connection.messages.keeps(bundle(1, 10))
    assert connection.messages.keeps(bundle(1, 5_000))
    assert connection.messages.keeps(bundle(5_001, 1))
    assert connection.begun == []
    await connection.finished()
    assert connection.begun == [*range(1, 5_002)]


async def test_frames_beyond_what_may_be_under_way_are_refused() -> None:
    connection = Connection(max_calls=1_000)
    assert connection.messages.keeps(bundle(1, MOST_CLIENT_FRAMES))
    await connection.finished()
    assert len(connection.begun) == 1_000
    assert isinstance(connection.session.overload, OverloadedError)


async def test_a_message_of_too_many_frames_breaks_the_connection_off() -> None:
    connection = Connection()
    assert connection.messages.keeps(bundle(1, MOST_CLIENT_FRAMES + 1))
    await connection.finished()
    assert connection.begun == []
    assert connection.session.broken is not None
    assert connection.share.used == 0


async def test_a_message_that_has_no_room_is_refused() -> None:
    connection = Connection(room=1_000)
    with pytest.raises(OverloadedError):
        connection.messages.keeps(bundle(1, 5_000))
    assert connection.share.used == 0
