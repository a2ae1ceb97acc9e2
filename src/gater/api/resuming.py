"""Streams that go on after a broken connection, behind the last event that was yielded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Final, TypeVar

from gater.api.caller import Caller
from gater.api.operations import Operation, StreamingOperation
from gater.model.errors import TransientError
from gater.model.events import Event

Answer = TypeVar("Answer")

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
MOST_TRIES: Final = 10
"""Failures in a row after which a read gives up; a subscription goes on trying."""


async def resumed(
    caller: Caller,
    rest: Callable[[Event | None], StreamingOperation[list[Event]] | None],
    *,
    endless: bool = False,
) -> AsyncGenerator[list[Event], None]:
    """The pages of `rest(None)`; when the stream breaks, those of `rest(last event yielded)`, with backoff.

    Raises the TransientError when the caller does not resume, or after MOST_TRIES failures in a row unless
    `endless`.
    """
    last: Event | None = None
    failures = 0
    while (operation := rest(last)) is not None:
        stream = caller.stream(operation)
        try:
            async for page in stream:
                failures = 0
                if page:
                    last = page[-1]
                    yield page
            return
        except TransientError:
            failures += 1
            if not caller.resumes or (failures >= MOST_TRIES and not endless):
                raise
        finally:
            await stream.aclose()
        await asyncio.sleep(backoff(failures))


async def persistently(caller: Caller, operation: Operation[Answer]) -> Answer:
    """The answer of an operation, asked for again, with backoff, as often as it does not get through.

    Raises the TransientError when the caller does not resume.
    """
    failures = 0
    while True:
        try:
            return await caller.call(operation)
        except TransientError:
            failures += 1
            if not caller.resumes:
                raise
        await asyncio.sleep(backoff(failures))


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, bounded, with jitter."""
    longest: float = min(FIRST_DELAY * 2 ** min(failures - 1, 16), LONGEST_DELAY)
    return longest * random.uniform(0.5, 1.0)
