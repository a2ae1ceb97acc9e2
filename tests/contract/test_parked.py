"""Parked events: listed, delivered again, discarded; and what they hold up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gater
from gater import GaterApi, InvalidArgumentError, InvalidCountError, NotFoundError
from tests.contract.consumers import NAME, Worker, info_of, save, settled_up_to
from tests.contract.samples import numbered, refused, until
from tests.contract.ways import Way


async def park(delivery: Any) -> None:
    await delivery.nack("park", reason=f"bad {delivery.event.position}")


def parking(*positions: int) -> Any:
    """What parks the events at these positions, and acknowledges all others."""

    async def work(delivery: Any) -> None:
        if delivery.event.position in positions:
            await park(delivery)
        else:
            await delivery.ack()

    return work


async def parked_positions(api: GaterApi, store: str, after: int = 0, limit: int | None = None) -> list[int]:
    return [parked.position for parked in await api.list_parked(store, NAME, after, limit)]


async def are_parked(api: GaterApi, store: str, *positions: int) -> None:
    """Return when just the events at these positions are parked."""

    async def so_they_are() -> bool:
        return await parked_positions(api, store) == list(positions)

    await until(so_they_are)


async def with_parked(api: GaterApi, store: str, count: int, **settings: Any) -> None:
    """A subscription that has parked each of so many events, in several streams."""
    for number in range(count):
        await api.append_events(store, f"s-{number % 3}", numbered(1, first=number))
    await save(api, store, **settings)
    while (await info_of(api, store)).checkpoint < count:
        for delivery in await api.pull_events(store, NAME):
            await park(delivery)


async def test_they_are_listed_in_order(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 7)
    listed = await api.list_parked(store, NAME)
    assert [parked.position for parked in listed] == list(range(1, 8))
    assert [parked.event for parked in listed] == await api.read_all(store)
    for parked in listed:
        assert (parked.reason, parked.attempts, parked.replaying) == (f"bad {parked.position}", 1, False)
        assert parked.parked_epoch > 0
    assert await parked_positions(api, store, 4) == [5, 6, 7]
    assert await parked_positions(api, store, 2, 3) == [3, 4, 5]
    assert await parked_positions(api, store, 7) == []
    assert (await info_of(api, store)).parked == 7


async def test_many_are_listed_and_replayed_whole(api: GaterApi, store: str, way: Way) -> None:
    many = 150 if way.name == "http" else 1_200  # over HTTP each settlement is a request of its own
    await api.append_events(store, "s", numbered(many))
    await save(api, store, ordering="none")
    async with Worker(api, store, park):
        await settled_up_to(api, store, many)
    assert await parked_positions(api, store) == list(range(1, many + 1))
    assert await parked_positions(api, store, 50, 70) == list(range(51, 121))
    assert await api.replay_parked(store, NAME) == many
    async with Worker(api, store) as worker:
        await are_parked(api, store)
        assert sorted(worker.seen) == list(range(1, many + 1))


@pytest.mark.parametrize("positions", [3, [3], (3,)])
async def test_one_is_delivered_again(api: GaterApi, store: str, positions: Any) -> None:
    await with_parked(api, store, 5)
    assert await api.replay_parked(store, NAME, positions) == 1
    listed = await api.list_parked(store, NAME)
    assert [parked.position for parked in listed if parked.replaying] == [3]
    async with Worker(api, store) as worker:
        await are_parked(api, store, 1, 2, 4, 5)
        assert worker.attempts == [(3, 1)]
    assert (await info_of(api, store)).checkpoint == 5


async def test_some_and_then_all_are_delivered_again(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 6)
    async with Worker(api, store) as worker:
        assert await api.replay_parked(store, NAME, [2, 5]) == 2
        await are_parked(api, store, 1, 3, 4, 6)
        assert await api.replay_parked(store, NAME) == 4
        await are_parked(api, store)
        assert await api.replay_parked(store, NAME) == 0
        assert sorted(worker.seen) == [1, 2, 3, 4, 5, 6]
    assert (await info_of(api, store)).parked == 0


async def test_what_is_delivered_again_and_fails_is_parked_again(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 2, max_retries=1)

    async def fail(delivery: Any) -> None:
        await delivery.nack(reason="still bad")

    async with Worker(api, store, fail) as worker:
        await api.replay_parked(store, NAME, 1)

        async def is_parked_again() -> bool:
            return not any(parked.replaying for parked in await api.list_parked(store, NAME))

        await until(lambda: len(worker.given) == 2)
        await until(is_parked_again)
        assert worker.attempts == [(1, 1), (1, 2)]
    first, _ = await api.list_parked(store, NAME)
    assert (first.reason, first.attempts) == ("failed 2 times: still bad", 2)


async def test_new_events_come_beside_what_is_delivered_again(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 3)
    await api.append_events(store, "s-0", numbered(2))
    await api.replay_parked(store, NAME)
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 5)
        await are_parked(api, store)
        of_stream = [position for position in worker.seen if position in (1, 4, 5)]
        assert of_stream == [1, 4, 5]
        assert sorted(worker.seen) == [1, 2, 3, 4, 5]


async def test_discarded_ones_are_gone_for_good(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 6)
    assert await api.discard_parked(store, NAME, 2) == 1
    assert await api.discard_parked(store, NAME, [1, 5]) == 2
    assert await parked_positions(api, store) == [3, 4, 6]
    assert await api.discard_parked(store, NAME) == 3
    assert await api.discard_parked(store, NAME) == 0
    async with Worker(api, store) as worker:
        await api.append_events(store, "s", numbered(1))
        await settled_up_to(api, store, 7)
        assert worker.seen == [7]


async def test_a_position_that_is_not_parked_is_not_found(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 3)
    for positions in (4, [1, 99], [0]):
        with refused(NotFoundError, kind="parked event"):
            await api.replay_parked(store, NAME, positions)
        with refused(NotFoundError, kind="parked event"):
            await api.discard_parked(store, NAME, positions)
    assert await parked_positions(api, store) == [1, 2, 3]
    assert not any(parked.replaying for parked in await api.list_parked(store, NAME))


async def test_nothing_is_done_for_no_positions(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 2)
    assert await api.replay_parked(store, NAME, []) == 0
    assert await api.discard_parked(store, NAME, []) == 0
    assert await parked_positions(api, store) == [1, 2]


@pytest.mark.parametrize("positions", ["12", [-1], ["1"], 1.5, {"a": 1}, [True]])
async def test_positions_that_are_none_are_refused(api: GaterApi, store: str, way: Any, positions: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a field of another type is a validation_error")
    await with_parked(api, store, 1)
    for ask in (api.replay_parked, api.discard_parked):
        with refused(InvalidArgumentError, argument="positions"):
            await ask(store, NAME, positions)


async def test_a_list_has_a_sound_begin_and_bound(api: GaterApi, store: str, way: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a number out of its bounds is a validation_error")
    await save(api, store)
    with refused(InvalidArgumentError, argument="after"):
        await api.list_parked(store, NAME, -1)
    with refused(InvalidCountError):
        await api.list_parked(store, NAME, 0, 0)


async def test_the_event_of_a_deleted_stream_is_gone_and_can_only_be_discarded(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 3)
    await api.delete_stream(store, "s-1")
    listed = await api.list_parked(store, NAME)
    assert [(parked.position, parked.event is None) for parked in listed] == [(1, False), (2, True), (3, False)]
    async with Worker(api, store) as worker:
        await api.replay_parked(store, NAME)
        await are_parked(api, store)
        assert sorted(worker.seen) == [1, 3]


# --- holding up a stream ---


async def test_a_parked_event_holds_up_nothing_unless_told_so(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await save(api, store)
    async with Worker(api, store, parking(1)) as worker:
        await settled_up_to(api, store, 3)
        assert worker.seen == [1, 2, 3]
    assert await parked_positions(api, store) == [1]


async def test_with_block_later_events_of_the_stream_are_parked_behind_it(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await api.append_events(store, "other", numbered(2))
    await save(api, store, after_park="block")
    async with Worker(api, store, parking(1)) as worker:
        await are_parked(api, store, 1, 2, 3)
        await api.append_events(store, "s", numbered(1))
        await api.append_events(store, "other", numbered(1))
        await are_parked(api, store, 1, 2, 3, 6)
        await settled_up_to(api, store, 7)
        assert worker.seen == [1, 4, 5, 7]
    listed = await api.list_parked(store, NAME)
    assert [(parked.reason, parked.attempts) for parked in listed] == [
        ("bad 1", 1),
        *[("behind the parked event at position 1", 0)] * 3,
    ]


async def test_a_blocked_stream_goes_on_when_its_parked_events_are_discarded(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(2))
    await save(api, store, after_park="block")
    async with Worker(api, store, parking(1)) as worker:
        await are_parked(api, store, 1, 2)
        await api.discard_parked(store, NAME, 1)
        await api.append_events(store, "s", numbered(1))
        await are_parked(api, store, 2, 3)
        await api.discard_parked(store, NAME)
        await api.append_events(store, "s", numbered(1))
        await until(lambda: worker.seen == [1, 4])


async def test_a_blocked_stream_goes_on_when_its_parked_events_are_replayed(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await save(api, store, after_park="block")
    async with Worker(api, store, parking(1)):
        await are_parked(api, store, 1, 2, 3)
    await api.replay_parked(store, NAME)
    async with Worker(api, store) as worker:
        await are_parked(api, store)
        assert worker.seen == [1, 2, 3]
        await api.append_events(store, "s", numbered(1))
        await until(lambda: worker.seen == [1, 2, 3, 4])


async def test_streams_that_are_replayed_do_not_wait_for_each_other(api: GaterApi, store: str) -> None:
    long = 600
    await api.append_events(store, "long", numbered(long))
    await api.append_events(store, "short", numbered(1))
    await save(api, store, after_park="block")
    async with Worker(api, store, work=parking(1, long + 1)):
        await settled_up_to(api, store, long + 1)
    assert await api.replay_parked(store, NAME) == long + 1
    (first,) = await api.pull_events(store, NAME, 1, wait=10.0)  # held: the other stream goes on nevertheless
    (second,) = await api.pull_events(store, NAME, 1, wait=10.0)
    assert {first.event.position, second.event.position} == {1, long + 1}


async def test_a_blocked_stream_goes_on_when_the_settings_say_so(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(2))
    await save(api, store, after_park="block")
    async with Worker(api, store, parking(1)) as worker:
        await are_parked(api, store, 1, 2)
        await save(api, store, after_park="continue")
        await api.append_events(store, "s", numbered(1))
        await until(lambda: worker.seen == [1, 3])
        assert await parked_positions(api, store) == [1, 2]


# --- staying ---


async def test_they_stay_when_the_subscription_is_rewound(api: GaterApi, store: str) -> None:
    await with_parked(api, store, 3)
    await api.append_events(store, "s", numbered(1))
    await api.rewind_subscription(store, NAME, 1)
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 4)
        assert worker.seen == [4]
    assert await parked_positions(api, store) == [1, 2, 3]


async def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["orders"]) as api:
        await with_parked(api, "orders", 4)
        before = await api.list_parked("orders", NAME)
    async with gater.open(tmp_path) as api:
        assert await api.list_parked("orders", NAME) == before
        await api.replay_parked("orders", NAME, [2, 3])
    async with gater.open(tmp_path) as api:
        listed = await api.list_parked("orders", NAME)
        assert [parked.position for parked in listed if parked.replaying] == [2, 3]
        async with Worker(api, "orders") as worker:
            await are_parked(api, "orders", 1, 4)
            assert sorted(worker.seen) == [2, 3]


async def test_a_blocked_stream_is_blocked_after_a_restart(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["orders"]) as api:
        await api.append_events("orders", "s", numbered(2))
        await save(api, "orders", after_park="block")
        async with Worker(api, "orders", parking(1)):
            await are_parked(api, "orders", 1, 2)
    async with gater.open(tmp_path) as api, Worker(api, "orders") as worker:
        await api.append_events("orders", "s", numbered(1))
        await are_parked(api, "orders", 1, 2, 3)
        await api.append_events("orders", "other", numbered(1))
        await until(lambda: worker.seen == [4])


async def test_they_are_in_a_backup_with_their_subscription(api: GaterApi, store: str, tmp_path: Path) -> None:
    await with_parked(api, store, 3, max_retries=7)
    (tmp_path / "restored").mkdir()
    await api.backup(store, tmp_path / "restored" / "orders.db")
    async with gater.open(tmp_path / "restored") as restored:
        assert await restored.list_parked("orders", NAME) == await api.list_parked(store, NAME)
        there, here = await info_of(restored, "orders"), await info_of(api, store)
        assert (there.settings, there.checkpoint, there.parked) == (here.settings, here.checkpoint, here.parked)
