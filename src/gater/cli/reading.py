"""The source of events for commands: a stream or a store, all of it or what a selector chooses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from gater.cli.selecting import of_stream, together

if TYPE_CHECKING:
    from gater.api.arguments import Direction
    from gater.api.gater_api import GaterApi
    from gater.api.paged_iterator import PagedIterator
    from gater.model.events import Event
    from gater.model.selectors import Selector


async def chosen_events(
    api: GaterApi,
    store: str,
    stream: str | None,
    only: Selector | None,
    begin: int | None = None,
    count: int | None = None,
    *,
    backward: bool = False,
) -> AsyncGenerator[Event, None]:
    """Up to `count` events from `begin` on, which is included: a version when there is a stream, else a position.

    Without `begin` they start at the first event, or backward at the last. With a stream and a selector, those of the
    stream that it selects.
    """
    if stream is not None and only is None:
        events = _of_stream(api, store, stream, begin, count, backward)
    else:
        if stream is not None and begin is not None:
            begin = await _position_of(api, store, stream, begin, backward)
            if begin is None:
                return
        direction: Direction = "backward" if backward else "forward"
        selector = together(of_stream(stream), only)
        events = api.stream_all(store, _after(begin, backward), direction, selector=selector)
    left = count
    async with aclosing(events):
        async for event in events:
            yield event
            if left is not None:
                left -= 1
                if left == 0:
                    return


def _of_stream(
    api: GaterApi, store: str, stream: str, begin: int | None, count: int | None, backward: bool
) -> PagedIterator[Event]:
    if backward:
        return api.stream_backward(store, stream, begin, count)
    return api.stream_forward(store, stream, begin or 0, count)


async def _position_of(api: GaterApi, store: str, stream: str, version: int, backward: bool) -> int | None:
    """The position of the first event of the stream from a version on; None when there is none."""
    async with aclosing(_of_stream(api, store, stream, version, None, backward)) as events:
        async for event in events:
            return event.position
    return None


def _after(begin: int | None, backward: bool) -> int | None:
    """The excluded position next to `begin`."""
    if begin is None:
        return None if backward else 0
    return begin + 1 if backward else max(begin - 1, 0)
