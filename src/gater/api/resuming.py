"""Streams that go on after a broken connection, behind the last event that was yielded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from time import monotonic
from typing import Final

import msgspec

from gater.api.caller import Caller
from gater.api.operation import StreamingOperation
from gater.api.subscription_operations import SubscribeOperation, SubscriptionPage
from gater.model.errors import TransientError
from gater.model.events import Event

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0


async def resumed(
    caller: Caller, rest: Callable[[Event | None], StreamingOperation[list[Event]] | None]
) -> AsyncGenerator[list[Event], None]:
    """The pages of `rest(None)`; when the stream breaks, those of `rest(last event yielded)`, with backoff.

    Raises the TransientError when the caller does not resume, or has got nothing for as long as its patience lasts.
    """
    last: Event | None = None
    failures = 0
    failing_since = 0.0
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
            failing_since = monotonic() if failures == 1 else failing_since
            if not caller.resumes or monotonic() - failing_since >= caller.patience:
                raise
        finally:
            await stream.aclose()
        await asyncio.sleep(backoff(failures))


async def followed(caller: Caller, operation: SubscribeOperation) -> AsyncGenerator[SubscriptionPage, None]:
    """The pages of a subscription; when it breaks, those that come behind the last one, with backoff, for ever.

    Raises the TransientError when the caller does not resume.
    """
    failures = 0
    while True:
        stream = caller.stream(operation)
        try:
            async for page in stream:
                failures = 0
                operation = msgspec.structs.replace(operation, start_from=page.next)
                yield page
            return
        except TransientError:
            failures += 1
            if not caller.resumes:
                raise
        finally:
            await stream.aclose()
        await asyncio.sleep(backoff(failures))


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, bounded, with jitter."""
    longest: float = min(FIRST_DELAY * 2 ** min(failures - 1, 16), LONGEST_DELAY)
    return longest * random.uniform(0.5, 1.0)
