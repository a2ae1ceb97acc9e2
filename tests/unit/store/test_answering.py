"""The end of a batch: whoever follows may fail, and its callers are answered all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gater.model.commands import WriteResult
from gater.model.limits import Limits
from gater.model.selectors import by_event_type, by_stream
from gater.store.recent import RecentPositions
from gater.store.store import Store, new_config, open_file_store
from tests.unit.store.interests import in_events
from tests.unit.store.stores import append, memory_store


@asynccontextmanager
async def file_store(folder: Path) -> AsyncGenerator[Store, None]:
    store = await open_file_store(folder, "s", Limits(), new_config("s", folder, memory=False))
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(params=["file", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return file_store(tmp_path) if request.param == "file" else memory_store()


def fail(*arguments: Any) -> Any:
    raise RuntimeError("not mine")


def observe(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.tail.observers.append(fail)


def be_woken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for selector in (by_stream(), by_stream("a"), by_event_type("T")):
        store.tail.watches.watch(in_events(selector)).notify = fail


def follow_badly(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.tail.watches, "feed", fail)


def remember_badly(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecentPositions, "extend", fail)


@pytest.mark.parametrize("break_something", [observe, be_woken, follow_badly, remember_badly])
async def test_a_follower_that_raises_keeps_no_answer_back(
    opened: Any,
    break_something: Callable[[Store, pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened as store:
        break_something(store, monkeypatch)
        for number in range(1, 20):
            (result,) = await store.run(append("a", [number]))
            assert isinstance(result, WriteResult)
            assert result.position == store.tail.position == number
    assert "failed" in caplog.text
    assert "not mine" in caplog.text


async def test_one_that_raises_keeps_nothing_from_another(opened: Any) -> None:
    async with opened as store:
        seen: list[int] = []
        store.tail.observers += [fail, lambda events: seen.extend(event[2] for event in events)]
        watch = store.tail.watches.watch(in_events(by_stream("a")))
        store.tail.watches.watch(in_events(by_stream("a"))).notify = fail
        last = store.tail.watches.watch(in_events(by_stream("a")))
        await store.run(append("a", [1, 2]))
        assert seen == [1, 2]
        assert [event[2] for event in watch.take()] == [event[2] for event in last.take()] == [1, 2]


async def test_a_caller_that_raises_keeps_no_answer_from_another(opened: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with opened as store:
        answers: list[Any] = []
        answered = asyncio.Event()
        store.submit(append("a", [1]), 10, fail)
        store.submit(append("a", [2]), 10, lambda answer, error: (answers.append(answer), answered.set()))
        await asyncio.wait_for(answered.wait(), 10)
        assert [result.position for (result,) in answers] == [2]
    assert "a caller failed to take its answer" in caplog.text
