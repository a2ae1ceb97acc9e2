"""The cost of many subscriptions: what a check, a listing and a delete look at does not grow with all there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gater.model.commands import DeleteStream
from gater.model.selectors import Selector, by_event_type, by_stream, stream_prefix
from gater.store import subscription_reader
from gater.store.store import Store
from gater.subscriptions import emitter_pool
from gater.subscriptions.durable import DurableSubscription
from gater.subscriptions.durables import Durables
from tests.unit.subscriptions.durable_store import at_work, attached, fill, made, positions, settle, taken, turns

MANY = 70
AT_ONCE = 20


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the subscriptions that are decoded."""
    monkeypatch.setattr(emitter_pool, "CHECKED_AT_ONCE", AT_ONCE)
    return noted(monkeypatch, subscription_reader, "_saved", lambda row: row[0])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the subscriptions that are told of hidden events."""
    return noted(monkeypatch, DurableSubscription, "hidden", lambda durable: durable.config.name)


def noted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, naming: Callable[[Any], str]) -> list[str]:
    """What a function is called with, by name."""
    names: list[str] = []
    original = getattr(owner, name)

    def noting(first: Any, *others: Any) -> Any:
        names.append(naming(first))
        return original(first, *others)

    monkeypatch.setattr(owner, name, noting)
    return names


async def save_many(durables: Durables) -> list[str]:
    names = [f"sub-{number:03}" for number in range(MANY)]
    for name in names:
        await durables.save(by_stream(name), name, 0, {})
    return names


async def hide(store: Store, stream: str) -> None:
    await store.run(DeleteStream(stream, -2, tombstone=False))


async def test_a_check_decodes_no_subscription_that_has_its_emitter(decoded: list[str]) -> None:
    async with at_work() as (_, durables):
        names = await save_many(durables)
        decoded.clear()
        assert len(list(durables.check())) >= 2 * MANY // AT_ONCE  # in as many turns of the event loop
        assert decoded == []
        durables._emitters.silence(by_stream(names[5]), names[5])
        list(durables.check())
        assert decoded == [names[5]]


async def test_each_step_of_a_check_looks_at_a_few(decoded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work() as (store, durables):
        await save_many(durables)
        looked: list[int] = []
        names, made_of = store.subscriptions.names, store.subscriptions.made

        def counted(after: str, limit: int) -> list[tuple[str, int]]:
            found = names(after, limit)
            looked.append(len(found))
            return found

        def counted_one(name: str) -> int | None:
            looked.append(1)
            return made_of(name)

        monkeypatch.setattr(store.subscriptions, "names", counted)
        monkeypatch.setattr(store.subscriptions, "made", counted_one)
        for _ in durables.check():
            assert sum(looked) <= AT_ONCE
            looked.clear()


async def test_subscriptions_that_come_and_go_during_a_check_are_no_misfits() -> None:
    async with at_work() as (_, durables):
        names = await save_many(durables)
        check = durables.check()
        next(check), next(check)
        await durables.remove(by_stream(names[-1]), names[-1])
        await durables.save(by_stream("x"), "a-new-one", 0, {})
        report = None
        while report is None:
            try:
                next(check)
            except StopIteration as end:
                report = end.value
        assert report["summary"]["total_issues"] == 0
        assert {"s:$a-new-one", f"s:${names[0]}"} < durables._emitters.topics()


async def test_a_page_of_names_reads_no_others(decoded: list[str]) -> None:
    async with at_work() as (_, durables):
        names = await save_many(durables)
        decoded.clear()
        assert durables.names(names[9], 5) == names[10:15]
        assert durables.names(names[-1], 5) == []
        assert decoded == []


@pytest.mark.parametrize(
    ("selector", "is_told"),
    [
        (by_stream("gone"), True),
        (by_stream("other"), False),
        (stream_prefix("go"), True),
        (stream_prefix("oth"), False),
        (by_stream(), True),
        (by_event_type("T"), True),
    ],
    ids=repr,
)
async def test_a_delete_concerns_groups_that_hold_events_of_such_streams(
    selector: Selector, is_told: bool, told: list[str]
) -> None:
    async with at_work() as (store, durables):
        await fill(store, "gone", "other")
        durable = await made(durables, selector)
        assert durable.info().state in ("stranded", "catching_up")
        await hide(store, "gone")
        assert (told != []) is is_told


async def test_a_delete_costs_nothing_for_groups_that_hold_no_events(told: list[str]) -> None:
    async with at_work() as (store, durables):
        await fill(store, "a", "b")
        durable = await made(durables)
        for number in range(5):
            (await made(durables, name=f"idle-{number}", start_from=3)).info()
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 2))
        await turns()
        for stream in ("a", "b"):
            await hide(store, stream)
        assert told in ([], ["billing"])  # one that held events before is met once
        told.clear()
        await fill(store, "c", "d")
        assert positions(await taken(durable, consumer, 2)) == [3, 4]
        await hide(store, "c")
        assert told == ["billing"]
