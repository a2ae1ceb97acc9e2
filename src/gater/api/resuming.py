"""Streams that resume after a broken connection, after the last event that was yielded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from time import monotonic
from typing import Final

from msgspec.structs import replace

from gater.api.caller import Caller
from gater.api.operation import Seen
from gater.api.operations import ScanAll, ScanStream
from gater.api.paged_iterator import PagedIterator
from gater.api.subscription_operations import SubscribeOperation, SubscriptionPage
from gater.model.errors import TransientError
from gater.model.events import Event

Scan = ScanStream | ScanAll

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0


Rest = Callable[[Event | None, int], Scan | None]
"""The operation that reads on after the last event that was yielded, given how many were; None: nothing is left."""


class Scanning:
    """The place that a read has reached."""

    def __init__(self, rest: Rest) -> None:
        self.failures = 0
        """How often the connection was lost since the last page."""
        self._rest = rest
        self._last: Event | None = None
        self._given = 0

    def take(self, page: list[Event]) -> None:
        """A page was read."""
        self.failures = 0
        if page:
            self._last, self._given = page[-1], self._given + len(page)

    def operation(self) -> Scan | None:
        """The next operation of a read; None: nothing is left."""
        operation, last = self._rest(self._last, self._given), self._last
        return operation if operation is None or last is None else replace(operation, seen=_seen(last))


def scanned(caller: Caller, rest: Rest) -> PagedIterator[Event]:
    """The events of `rest(None, 0)`, and after a lost connection, or a wait that was given up, the rest of them."""
    scanning = Scanning(rest)
    return PagedIterator(resumed(caller, scanning), lambda: resumed(caller, scanning))


async def resumed(caller: Caller, scanning: Scanning) -> AsyncGenerator[list[Event], None]:
    """The pages of a read; when the stream breaks, those that come after the last event, with backoff.

    Raises HistoryChangedError when that event is no longer what the store has there, and the TransientError when the
    caller does not resume, or has got nothing for as long as its patience lasts.
    """
    failing_since = 0.0
    while (operation := scanning.operation()) is not None:
        stream = caller.stream(operation)
        try:
            async for page in stream:
                scanning.take(page)
                if page:
                    yield page
            return
        except TransientError:
            scanning.failures += 1
            failing_since = monotonic() if scanning.failures == 1 else failing_since
            if not caller.resumes or monotonic() - failing_since >= caller.patience:
                raise
        finally:
            await stream.aclose()
        await asyncio.sleep(backoff(scanning.failures))


async def followed(caller: Caller, operation: SubscribeOperation) -> AsyncGenerator[SubscriptionPage, None]:
    """The pages of a subscription; when it breaks, those that come behind the last one, with backoff, for ever.

    Raises HistoryChangedError when the store goes on from another history then, and the TransientError when the caller
    does not resume.
    """
    failures = 0
    while True:
        stream = caller.stream(operation)
        try:
            async for page in stream:
                failures = 0
                operation = _after(operation, page)
                yield page
            return
        except TransientError:
            failures += 1
            if not caller.resumes:
                raise
        finally:
            await stream.aclose()
        await asyncio.sleep(backoff(failures))


def _after(operation: SubscribeOperation, page: SubscriptionPage) -> SubscribeOperation:
    """The operation that resumes after a page."""
    seen = _seen(page.events[-1]) if page.events else operation.seen
    return replace(operation, start_from=page.next, history=page.history or operation.history, seen=seen)


def _seen(event: Event) -> Seen:
    """The last event that a reader was given, as its next operation names it."""
    return Seen(event.position, event.id_bytes)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, bounded, with jitter."""
    longest: float = min(FIRST_DELAY * 2 ** min(failures - 1, 16), LONGEST_DELAY)
    return longest * random.uniform(0.5, 1.0)
