"""Producer and observer, without a screen, on a store in memory."""

from __future__ import annotations

import asyncio
from random import Random

from gater.demo.observer import Observer, seen_line
from gater.demo.producer import Producer, appended_line
from gater.model.commands import WriteResult
from gater.model.events import Event, NewEvent
from gater.testing.stores import memory_api


def no_one(stream_id: str, count: int, result: WriteResult) -> None:
    """Nobody listens."""


async def test_a_producer_initializes_its_greenhouse_and_goes_on() -> None:
    async with memory_api(["gh"]) as api:
        producer = Producer(api, "gh", "greenhouse1", no_one, random=Random(1), batch_size=3)
        assert await producer.append_once(await producer.append_once(-1)) == 5
        events = await api.get_events("gh", "greenhouse1")
    assert [event.event_type for event in events].index("initialized:v1") == 0
    assert len(events) == 6


async def test_a_producer_stops_when_told_and_has_told_of_all_it_appended() -> None:
    told: list[int] = []
    stop = asyncio.Event()

    def on_appended(stream_id: str, count: int, result: WriteResult) -> None:
        told.append(result.version)
        if len(told) == 5:
            stop.set()

    async with memory_api(["gh"]) as api:
        await Producer(api, "gh", "greenhouse1", on_appended, random=Random(1), period=0.001).run(stop)
        assert await api.get_version("gh", "greenhouse1") == 4
    assert told == [0, 1, 2, 3, 4]


async def test_an_observer_tells_of_what_is_there_and_of_what_comes() -> None:
    seen: list[Event] = []
    enough = asyncio.Event()

    def on_seen(event: Event) -> None:
        seen.append(event)
        if len(seen) == 4:
            enough.set()

    async with memory_api(["gh"]) as api:
        await api.append_events("gh", "greenhouse1", [NewEvent("a"), NewEvent("b")])
        observing = asyncio.create_task(Observer(api, "gh", on_seen).run())
        await api.append_events("gh", "greenhouse2", [NewEvent("c"), NewEvent("d")])
        await enough.wait()
        observing.cancel()
        await asyncio.wait([observing])
    assert [event.event_type for event in seen] == ["a", "b", "c", "d"]


async def test_lines_name_stream_type_version_and_payload() -> None:
    async with memory_api(["gh"]) as api:
        result = await api.append_events(
            "gh",
            "greenhouse1",
            [NewEvent("temperature_measured:v1", {"temperature": 21}), NewEvent("image:v1", b"abc")],
        )
        json_event, binary_event = await api.get_events("gh", "greenhouse1")
    assert seen_line(json_event) == 'SEEN ["greenhouse1:temperature_measured:v1 (v0) => {"temperature":21}"]'
    assert seen_line(binary_event) == 'SEEN ["greenhouse1:image:v1 (v1) => 3 bytes of application/octet-stream"]'
    assert appended_line("greenhouse1", 2, result) == 'APPENDED ["greenhouse1" 2 (v1)]'
