"""Messages of a connection that are large, and those that follow them: taken in one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from gater.api.operation import Operation
from gater.model.errors import GaterError, OverloadedError, ValidationError
from gater.model.limits import Limits
from gater.model.memory_budget import Share
from gater.server.large_requests import LARGE_BYTES, MOST_TURN_SECONDS, LargeRequests
from gater.server.rpc_large_decoding import LargeMessage, Outcome, read_large_message
from gater.server.rpc_streams import internal_error
from gater.wire.codec import MalformedError
from gater.wire.frame_spans import list_length
from gater.wire.frames import ClientFrame, Request
from gater.wire.server_session import ServerSession

MANY_FRAMES: Final = 4_096
"""Frames of a message that is large, however few bytes it has."""
FRAMES_AT_ONCE: Final = 512
"""Frames of a large message that are begun in one turn of the event loop."""

log = logging.getLogger(__name__)


class LargeMessages:
    """Reads large messages on the thread of large requests.

    The messages that follow one wait until it was read and its large requests were answered, so that requests are
    begun in the order in which they were sent; meanwhile nothing more is read from the connection.
    """

    def __init__(
        self,
        large: LargeRequests,
        limits: Limits,
        share: Share,
        session: ServerSession,
        tasks: set[asyncio.Task[None]],
        *,
        take: Callable[[list[ClientFrame]], None],
        changed: Callable[[], None],
    ) -> None:
        """`take` begins what frames ask for; `changed` is called when `is_busy` begins or ends.

        The messages that wait, or are being decoded, are counted against the share.
        """
        self.is_busy = False
        """Whether messages wait, or large requests are under way."""
        self.unanswered: set[int] = set()
        """The large requests that were begun and are not answered."""
        self._large = large
        self._limits = limits
        self._share = share
        self._session = session
        self._tasks = tasks
        self._take = take
        self._changed = changed
        self._messages: deque[bytes] = deque()
        self._outcomes: dict[int, Outcome] = {}
        self._over = asyncio.Event()
        self._over.set()
        self._task: asyncio.Task[None] | None = None

    def keeps(self, message: bytes) -> bool:
        """Whether the message is large, or follows one: then it is taken in later.

        Raises OverloadedError when there is no room for it.
        """
        if not self.is_busy and not is_large(message):
            return False
        if not self._share.take(len(message)):
            raise OverloadedError("request bytes", self._share.limit)
        self._messages.append(message)
        if not self.is_busy:
            self.is_busy = True
            self._changed()
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(self._task)
            self._task.add_done_callback(self._tasks.discard)
        return True

    def operation(self, request: Request) -> Operation[Any] | None:
        """The operation of a large request, None when it is still to be decoded; raises its error."""
        outcome = self._outcomes.pop(request.id, None) if self._outcomes else None
        if isinstance(outcome, GaterError):
            raise outcome
        return outcome

    def answered(self, request_id: int) -> None:
        """A request was answered, or will never be."""
        self.unanswered.discard(request_id)
        if not self.unanswered:
            self._over.set()

    def close(self) -> None:
        """Let go of everything."""
        for message in self._messages:
            self._share.give_back(len(message))
        self._messages.clear()
        self._outcomes.clear()
        if self._task is not None:
            self._task.cancel()

    def let_go(self) -> None:
        """The connection is gone: refer to it no longer."""
        self.close()
        self._take = self._changed = _nothing

    async def _run(self) -> None:
        try:
            while self._messages:
                await self._take_in()
        except MalformedError as error:
            self._break_off(ValidationError("message", str(error)))
        except Exception as error:
            log.exception("a large message failed")
            self._break_off(internal_error(error))
        finally:
            self.is_busy = False
            self._changed()

    async def _take_in(self) -> None:
        """Take in the next message, and wait until its large requests are answered, though not for ever."""
        message = self._messages.popleft()
        size = len(message)
        try:
            if not is_large(message):
                self._take(self._session.receive(message))
                return
            async with self._large.turn():
                read = await self._large.read(partial(read_large_message, message, self._limits))
                del message
                await self._begin(read)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), MOST_TURN_SECONDS)
        finally:
            self._share.give_back(size)

    async def _begin(self, read: LargeMessage) -> None:
        """Begin what it asks for; of many frames some at a time, so that others have their turn."""
        for start in range(0, len(read.frames), FRAMES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            frames = self._session.take(read.frames[start : start + FRAMES_AT_ONCE])
            for frame in frames:
                if (outcome := read.outcomes.get(frame.id)) is not None:
                    self._outcomes[frame.id] = outcome
                    if not getattr(outcome, "streaming", False):
                        self.unanswered.add(frame.id)
            if self.unanswered:
                self._over.clear()
            self._take(frames)

    def _break_off(self, error: GaterError) -> None:
        self._session.break_off(error)
        self._take([])


def _nothing(*_: object) -> None:
    """The work for a connection that has ended: none."""


def is_large(message: bytes) -> bool:
    """Whether to decode a message, or to begin what it asks for, takes more than a moment."""
    return len(message) > LARGE_BYTES or (list_length(message[:5]) or 0) > MANY_FRAMES
