"""The log of a store in memory: no command and no batch keeps the event loop for long."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from gater.model.commands import AnyCommand, Append, ImportEvents, StreamGuard, StreamWrite
from gater.model.errors import RequestTooLargeError
from gater.model.events import ImportedEvent
from gater.store.memory_log import MOST_MEMORY_BYTES, MOST_MEMORY_EVENTS
from tests.unit.store.stores import append, memory_store, raw_event

MOST = MOST_MEMORY_EVENTS


def append_to(streams: int, guards: int = 0) -> Append:
    writes = tuple([StreamWrite(f"s{number}", (raw_event(number),)) for number in range(streams)])
    return Append(0, writes, tuple([StreamGuard(f"g{number}", -2) for number in range(guards)]))


def import_of(count: int) -> ImportEvents:
    return ImportEvents(tuple([ImportedEvent("s", number, 0, raw_event(number)) for number in range(count)]))


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (append("s", range(MOST + 1)), "events"),
        (append_to(MOST + 1), "streams"),
        (append_to(1, guards=MOST + 1), "guards"),
        (import_of(MOST + 1), "events"),
    ],
    ids=["events", "streams", "guards", "import"],
)
async def test_a_store_in_memory_refuses_more_than_its_turn_has_time_for(command: AnyCommand, what: str) -> None:
    async with memory_store() as store:
        with pytest.raises(RequestTooLargeError) as caught:
            await store.run(command, 1_000)
        assert (caught.value.size, caught.value.limit) == (MOST + 1, MOST)
        assert caught.value.details["what"] == what
        assert store.status().waiting_commands == 0


@pytest.mark.parametrize("command", [append("s", [1]), import_of(1)], ids=["append", "import"])
async def test_a_store_in_memory_refuses_many_bytes(command: AnyCommand) -> None:
    async with memory_store() as store:
        with pytest.raises(RequestTooLargeError) as caught:
            await store.run(command, MOST_MEMORY_BYTES + 1)
        assert caught.value.limit == MOST_MEMORY_BYTES
        await store.run(command, MOST_MEMORY_BYTES)


async def test_commands_of_one_turn_are_applied_in_several() -> None:
    async with memory_store() as store:
        positions: list[int] = []
        answers = [asyncio.create_task(store.run(append("s", range(n, n + 4)), 1 << 20)) for n in range(0, 40, 4)]
        answered = asyncio.gather(*answers)
        while not answered.done():
            await asyncio.sleep(0)
            positions.append(store.tail.position)
        steps = {after - before for before, after in pairwise(positions)}
        assert max(steps) == 8, "two commands of a megabyte each are a batch"
        assert [answer[0].version for answer in await answered] == list(range(3, 40, 4))


async def test_closing_answers_everything_that_was_accepted() -> None:
    taken: list[Any] = []
    async with memory_store() as store:
        for number in range(10):
            store.submit(append("s", [number]), 1 << 20, lambda answer, error: taken.append(answer[0].version))
    assert taken == list(range(10))
