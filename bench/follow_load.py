"""The loads of subscriptions that follow: how soon a live one has an event, a late one catches up, a cold one scans."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

import gater
from bench.gater_side import new_events
from bench.pacing import Pace, percentiles
from bench.payload import CONTENT_TYPE, RARE_PAYLOAD
from bench.servers import STORE

STREAMS: Final = 100
"""Streams that a paced writer appends to in turn."""
MATCHING_DISTANCE: Final = 10
"""Of so many new events one is what a late joiner looks for."""


async def live_delivery(target: str, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds from an acknowledged append to its event at a subscriber of everything on another connection."""
    async with gater.connect(target) as writer, gater.connect(target) as reader:
        await writer.append_events(STORE, "probe", new_events(1))
        pace = Pace(writer, rate, _stream, lambda _: new_events(1)[0])
        events = reader.subscribe(STORE, start_from=gater.LIVE, notices=True)
        return percentiles(await _latencies(pace, events, seconds))


async def late_joiner(
    target: str, selector: list[Any], event_type: str, rate: float, seconds: float
) -> dict[str, float]:
    """Seconds until a subscription to a full store has caught up while others append, then its delivery latency.

    One new event in ten matches: it is of `event_type`, with the payload that is looked for.
    """

    def event(number: int) -> gater.NewEvent:
        if number % MATCHING_DISTANCE:
            return new_events(1)[0]
        return gater.NewEvent(event_type, RARE_PAYLOAD, content_type=CONTENT_TYPE)

    async with gater.connect(target) as writer, gater.connect(target) as reader:
        await writer.append_events(STORE, "probe", new_events(1))
        pace = Pace(writer, rate, _stream, event)
        async with pace.running(), aclosing(reader.subscribe(STORE, *selector, notices=True)) as events:
            started = time.perf_counter()
            if not await _caught_up(events):
                raise RuntimeError(f"no old event was found by {selector}")
            live_since = time.perf_counter()
            received = await _received(events, seconds)
        acked = {id: at for id, at in pace.acked.items() if at > live_since}
        return {"seconds": live_since - started, **percentiles(_waits(acked, received))}


async def catch_up(target: str, selector: list[Any], seconds: float) -> dict[str, float]:
    """A subscription from the beginning until it has caught up, over and over; counts matching events."""
    async with gater.open(target) as api:
        found, spent = 0, 0.0
        await _catch_up_once(api, selector)
        while spent < seconds:
            started = time.perf_counter()
            found += await _catch_up_once(api, selector)
            spent += time.perf_counter() - started
    return {"count": found, "seconds": spent}


async def _catch_up_once(api: gater.GaterApi, selector: list[Any]) -> int:
    async with aclosing(api.subscribe(STORE, *selector, notices=True)) as events:
        return await _caught_up(events)


async def _caught_up(events: AsyncGenerator[Any, None]) -> int:
    """The number of events until the notice that there is nothing stored left."""
    count = 0
    async for event in events:
        if event is gater.CAUGHT_UP:
            return count
        count += 1
    raise RuntimeError("the subscription ended")


async def _latencies(pace: Pace, events: AsyncGenerator[Any, None], seconds: float) -> list[float]:
    """From acknowledgement to delivery, of a subscriber that has caught up before the appends begin."""
    async with aclosing(events):
        await _caught_up(events)
        async with pace.running():
            received = await _received(events, seconds)
    return _waits(pace.acked, received)


def _waits(acked: Mapping[UUID, float], received: Mapping[UUID, float]) -> list[float]:
    """From acknowledgement to delivery; an event that comes before its acknowledgement was not late: 0."""
    return [max(received[id] - at, 0.0) for id, at in acked.items() if id in received]


async def _received(events: AsyncGenerator[Any, None], seconds: float) -> dict[UUID, float]:
    """When each event came that came within so many seconds."""
    received: dict[UUID, float] = {}
    try:
        async with asyncio.timeout(seconds):
            async for event in events:
                if isinstance(event, gater.Event):
                    received[event.event_id] = time.perf_counter()
    except TimeoutError:
        return received
    raise RuntimeError("the subscription ended")


def _stream(number: int) -> str:
    return f"paced-{number % STREAMS}"
