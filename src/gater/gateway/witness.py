"""Administrative acts and refusals, announced for audits of the node."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from gater.api.operation import Operation, StreamingOperation
from gater.gateway.refusals import Refusals
from gater.model.errors import AccessError, GaterError, OverloadedError
from gater.monitoring.announcements import Announcements
from gater.store.log import Done

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Stream = Callable[[StreamingOperation[Any]], AsyncGenerator[Any, None]]

ADMINISTRATIVE: Final = frozenset(
    {
        "backup",
        "compact_store",
        "create_store",
        "delete_stream",
        "discard_parked",
        "import_events",
        "remove_store",
        "remove_subscription",
        "replay_parked",
        "reset_metrics",
        "rewind_subscription",
        "save_subscription",
        "truncate_stream",
        "verify",
    }
)
"""Operations that change how the node works, or what it holds, other than by appending."""

source: Final[ContextVar[str | None]] = ContextVar("gater_source", default=None)
"""The address that a call came from; None within this process."""


class Witness:
    """Announce administrative acts, refused callers and limits that are reached."""

    def __init__(self, announcements: Callable[[], Announcements]) -> None:
        self.refusals = Refusals(announcements)
        self._announcements = announcements

    def watching(self, who: str, operation: Operation[Any], came_from: str | None, done: Done) -> Done:
        """Wrap the callback for an operation's outcome, so that an administrative one is announced with it."""
        if operation.name not in ADMINISTRATIVE:
            return done
        begun = time.perf_counter()

        def noted(answer: Any, error: GaterError | None) -> None:
            self.administered(who, operation, came_from, error, time.perf_counter() - begun)
            done(answer, error)

        return noted

    async def seen(self, who: str, operation: Operation[Answer], call: Awaitable[Answer]) -> Answer:
        """The answer of a call; an administrative one is noted."""
        if operation.name not in ADMINISTRATIVE:
            return await call
        begun, failure = time.perf_counter(), None
        try:
            return await call
        except GaterError as error:
            failure = error
            raise
        finally:
            self.administered(who, operation, source.get(), failure, time.perf_counter() - begun)

    def following(
        self, who: str, operation: StreamingOperation[Any], came_from: str | None, stream: Stream
    ) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation; an administrative one is noted when it ends or is cut short."""
        if operation.name not in ADMINISTRATIVE:
            return stream(operation)
        return self._followed(who, operation, came_from, stream)

    async def _followed(
        self, who: str, operation: StreamingOperation[Any], came_from: str | None, stream: Stream
    ) -> AsyncGenerator[Any, None]:
        begun, failure = time.perf_counter(), None
        try:
            async with aclosing(stream(operation)) as items:
                while True:  # a suspended stream must hold no page
                    try:
                        yield await anext(items)
                    except StopAsyncIteration:
                        return
        except GaterError as error:
            failure = error
            raise
        finally:
            self.administered(who, operation, came_from, failure, time.perf_counter() - begun)

    def administered(
        self, who: str, operation: Operation[Any], came_from: str | None, error: GaterError | None, seconds: float
    ) -> None:
        """An administrative act was done, or has failed."""
        outcome, resource = "ok" if error is None else error.code, _resource(operation)
        self._tell(lambda to: to.administered(who, operation.name, resource, outcome, seconds, came_from))
        if error is None:
            self._tell(lambda to: to.configured(resource, {"operation": operation.name}, who))

    def turned_away(self, error: GaterError, came_from: str | None) -> None:
        """Announce a connection that was refused: its caller is unknown, or there are too many."""
        if isinstance(error, AccessError):
            self.refused("unknown", None, error, came_from)
        elif isinstance(error, OverloadedError):
            self.limit_reached(error)

    def limit_reached(self, error: OverloadedError) -> None:
        """Announce a call that was refused because a limit of the node is reached."""
        self._tell(lambda to: to.limit_reached(error.what, error.limit))

    def refused(self, who: str, operation: Operation[Any] | None, error: AccessError, came_from: str | None) -> None:
        """Announce a caller that is unknown, or is not allowed to do what it asked for."""
        self._tell(lambda _: self.refusals.note(error, came_from))
        if operation is None:
            self._tell(lambda to: to.not_known(error.message, came_from))
        else:
            self._tell(lambda to: to.not_allowed(who, operation.name, _resource(operation), came_from))

    def _tell(self, tell: Callable[[Announcements], None]) -> None:
        """Tell of what has happened; when that fails it is logged, for an answer waits to leave."""
        try:
            tell(self._announcements())
        except Exception:
            log.exception("what happened cannot be announced")


def _resource(operation: Any) -> str:
    """The path of the resource that an operation is about."""
    names = ("store", "stream_id", "subscription")
    found = [str(getattr(operation, name)) for name in names if getattr(operation, name, None)]
    return "/".join(found) or operation.name
