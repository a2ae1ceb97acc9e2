"""Durable subscriptions by their names: saved, changed, listed, removed, and there again after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import ANY as ANYTHING

import pytest
from msgspec.structs import replace

import gater
from gater import (
    LIVE,
    AlreadyExistsError,
    GaterApi,
    GaterError,
    GivenSettings,
    GroupSettings,
    InvalidArgumentError,
    InvalidStartVersionError,
    StoreNotFoundError,
    SubscriptionNotFoundError,
    ValidationError,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from tests.contract.consumers import NAME, QUICK, Worker, info_of, settled_up_to
from tests.contract.samples import numbered, positions, refused, until


async def test_a_saved_subscription_is_found_as_it_was_saved(api: GaterApi, store: str) -> None:
    selector = by_event_type("Placed") & stream_prefix("order-") & by_event_payload({"n": 1.0, "ok": True})
    saved = await api.save_subscription(store, selector, name=NAME, start_from=7, ack_timeout=5, backoff=[0.5, 2])
    assert (saved.name, saved.selector, saved.start_from) == (NAME, selector, 7)
    assert saved.settings == GroupSettings(ack_timeout=5.0, backoff=(0.5, 2.0))
    assert 0 < saved.created_epoch == saved.updated_epoch
    info = await info_of(api, store)
    for field in saved.__struct_fields__:
        assert getattr(info, field) == getattr(saved, field), field
    assert (info.checkpoint, info.consumers, info.parked, info.delivered) == (6, 0, 0, 0)


async def test_the_settings_have_defaults(api: GaterApi, store: str) -> None:
    saved = await api.save_subscription(store, name=NAME)
    assert saved.settings == GroupSettings()
    assert (saved.selector, saved.start_from) == (by_stream("$all"), 0)


async def test_saving_again_changes_what_is_said_and_nothing_else(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(5))
    first = await api.save_subscription(store, "by_stream", "$all", NAME, **QUICK)
    async with Worker(api, store):
        await settled_up_to(api, store, 5)
    again = await api.save_subscription(store, "by_stream", "$all", NAME, max_retries=3, ordering="none")
    assert again.settings == GroupSettings(
        max_retries=3, ordering="none", checkpoint_interval=QUICK["checkpoint_interval"], backoff=(0.01,)
    )
    assert again.created_epoch == first.created_epoch
    assert again.updated_epoch >= first.updated_epoch
    info = await info_of(api, store)
    assert (info.checkpoint, info.settings, info.created_epoch) == (5, again.settings, first.created_epoch)
    assert len(await api.get_subscriptions(store)) == 1


async def test_another_start_moves_the_checkpoint(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(5))
    await api.save_subscription(store, name=NAME, **QUICK)
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 5)
        moved = await api.save_subscription(store, name=NAME, start_from=3, **QUICK)
        assert moved.start_from == 3
        await until(lambda: worker.seen == [1, 2, 3, 4, 5, 3, 4, 5])
        await settled_up_to(api, store, 5)
        await api.save_subscription(store, name=NAME, start_from=3, **QUICK)
        await api.append_events(store, "s", numbered(1))
        await until(lambda: worker.seen[8:] == [6])


async def test_another_start_is_a_version_when_one_stream_is_followed(api: GaterApi, store: str) -> None:
    await api.append_events(store, "other", numbered(3))
    await api.append_events(store, "s", numbered(5))
    await api.save_subscription(store, "by_stream", "s", NAME, 2, **QUICK)
    async with Worker(api, store) as worker:
        await until(lambda: worker.seen == [6, 7, 8])
        await api.save_subscription(store, "by_stream", "s", NAME, 1, **QUICK)
        await until(lambda: worker.seen[3:] == [5, 6, 7, 8])


@pytest.mark.parametrize("selector", ["$all", "s"])
async def test_live_begins_behind_what_is_there_when_it_is_saved(api: GaterApi, store: str, selector: str) -> None:
    await api.append_events(store, "s", numbered(3))
    saved = await api.save_subscription(store, "by_stream", selector, NAME, LIVE, **QUICK)
    assert saved.start_from == LIVE
    await api.append_events(store, "s", numbered(3))
    await api.save_subscription(store, "by_stream", selector, NAME, LIVE, **QUICK)
    async with Worker(api, store) as worker:
        await until(lambda: worker.seen == [4, 5, 6])


@pytest.mark.parametrize("selector", ["$all", "s"])
async def test_a_start_beyond_the_end_waits_until_it_is_reached(api: GaterApi, store: str, selector: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await api.save_subscription(store, "by_stream", selector, NAME, 5, **QUICK)
    async with Worker(api, store) as worker:
        for first in range(3, 8):
            await api.append_events(store, "s", numbered(1, first=first))
        expected = [5, 6, 7, 8] if selector == "$all" else [6, 7, 8]
        await until(lambda: worker.seen == expected)


async def test_a_name_with_another_selector_is_refused(api: GaterApi, store: str) -> None:
    await api.save_subscription(store, "by_stream", "a", NAME)
    for other in (by_stream("b"), by_stream(), by_event_type("a"), stream_prefix("a")):
        with refused(AlreadyExistsError):
            await api.save_subscription(store, other, name=NAME)
    await api.save_subscription(store, "by_stream", "$a", NAME)
    assert (await info_of(api, store)).selector == by_stream("a")


async def test_the_same_name_in_another_store_is_another_subscription(api: GaterApi, store: str) -> None:
    other = f"{store}-other"
    await api.create_store(other, in_memory=True)
    await api.save_subscription(store, "by_stream", "a", NAME)
    await api.save_subscription(other, "by_stream", "b", NAME)
    assert (await info_of(api, store)).selector == by_stream("a")
    assert (await info_of(api, other)).selector == by_stream("b")
    await api.remove_store(other)


async def test_they_are_listed_by_name(api: GaterApi, store: str) -> None:
    assert await api.get_subscriptions(store) == []
    names = ["b", "a-2", "a", "ä", "Z"]
    for name in names:
        await api.save_subscription(store, name=name)
    listed = await api.get_subscriptions(store)
    assert [info.name for info in listed] == sorted(names)
    assert listed == [await info_of(api, store, name) for name in sorted(names)]


async def test_removing_forgets_all_of_it(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await api.save_subscription(store, name=NAME, **QUICK)

    async def park(delivery: Any) -> None:
        await delivery.nack("park", reason="bad")

    async with Worker(api, store, park):
        await settled_up_to(api, store, 3)
    await api.remove_subscription(store, name=NAME)
    assert await api.get_subscriptions(store) == []
    with refused(SubscriptionNotFoundError):
        await info_of(api, store)
    await api.save_subscription(store, "by_event_type", "Counted", NAME, **QUICK)
    info = await info_of(api, store)
    assert (info.checkpoint, info.parked) == (0, 0)
    async with Worker(api, store) as worker:
        await until(lambda: worker.seen == [1, 2, 3])


async def test_removing_what_is_not_there_changes_nothing(api: GaterApi, store: str) -> None:
    await api.remove_subscription(store, name="never")
    await api.save_subscription(store, "by_stream", "a", NAME)
    await api.remove_subscription(store, "by_stream", "b", NAME)
    await api.remove_subscription(store, "by_event_type", "a", NAME)
    assert (await info_of(api, store)).name == NAME
    await api.remove_subscription(store, "by_stream", "$a", NAME)
    await api.remove_subscription(store, "by_stream", "$a", NAME)
    assert await api.get_subscriptions(store) == []


async def test_an_unknown_name_is_not_found(api: GaterApi, store: str) -> None:
    asking = [
        lambda: api.get_subscription(store, "never"),
        lambda: anext(api.consume(store, "never")),
        lambda: api.pull_events(store, "never"),
        lambda: api.ack_event(store, "never", 1),
        lambda: api.nack_event(store, "never", 1),
        lambda: api.list_parked(store, "never"),
        lambda: api.replay_parked(store, "never"),
        lambda: api.discard_parked(store, "never"),
        lambda: api.rewind_subscription(store, "never", 1),
    ]
    for ask in asking:
        with refused(SubscriptionNotFoundError, store=store, name="never"):
            await ask()


async def test_a_store_that_is_not_there_is_not_found(api: GaterApi) -> None:
    for ask in (
        lambda: api.save_subscription("nowhere", name=NAME),
        lambda: api.get_subscription("nowhere", NAME),
        lambda: api.get_subscriptions("nowhere"),
        lambda: api.pull_events("nowhere", NAME),
        lambda: anext(api.consume("nowhere", NAME)),
        lambda: api.rewind_subscription("nowhere", NAME, 1),
    ):
        with refused(StoreNotFoundError, store="nowhere"):
            await ask()


WRONG: list[tuple[str, Any]] = [
    ("ack_timeout", 0),
    ("ack_timeout", -1),
    ("ack_timeout", 604_801),
    ("max_retries", -1),
    ("max_retries", 1_001),
    ("backoff", []),
    ("backoff", [-1]),
    ("backoff", [0.1] * 101),
    ("max_in_flight", 0),
    ("max_in_flight", 100_001),
    ("checkpoint_every", 0),
    ("checkpoint_interval", 0),
    ("ordering", "sometimes"),
    ("max_consumers", 0),
    ("max_consumers", 10_001),
    ("after_park", "stop"),
    ("colour", "red"),
]
"""Settings out of their bounds."""
MISTYPED: list[tuple[str, Any]] = [
    ("ack_timeout", "5"),
    ("ack_timeout", True),
    ("ack_timeout", None),
    ("max_retries", 1.5),
    ("max_retries", "1"),
    ("max_in_flight", True),
    ("backoff", 5),
    ("backoff", "0.1"),
    ("backoff", [None]),
    ("checkpoint_every", []),
    ("ordering", 1),
    ("after_park", None),
]


@pytest.mark.parametrize(("field", "value"), [*WRONG, *MISTYPED], ids=lambda part: str(part)[:20])
async def test_a_wrong_setting_is_refused_by_name(api: GaterApi, store: str, way: Any, field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        await api.save_subscription(store, name=NAME, **{field: value})
    if way.name != "http" or (field, value) in WRONG:
        assert caught.value.field.rpartition(".")[2] == field
    assert await api.get_subscriptions(store) == []


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256, b"a", None])
async def test_a_name_must_be_one(api: GaterApi, store: str, name: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        await api.save_subscription(store, name=name)


@pytest.mark.parametrize("start", [-2, 1.5, "x", True, 1 << 63])
async def test_a_start_that_is_none_is_refused(api: GaterApi, store: str, start: Any) -> None:
    with pytest.raises(GaterError) as caught:
        await api.save_subscription(store, name=NAME, start_from=start)
    assert isinstance(caught.value, InvalidStartVersionError | InvalidArgumentError | ValidationError)
    assert await api.get_subscriptions(store) == []


async def test_what_is_not_said_of_a_subscription_stays(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(5))
    settings: GivenSettings = {"ack_timeout": 7.5, "backoff": [0.5, 2.0], "after_park": "block"}
    first = await api.save_subscription(store, "by_event_type", "Counted", NAME, 3, **settings)
    assert await api.save_subscription(store, name=NAME) == replace(first, updated_epoch=ANYTHING)
    changed = await api.save_subscription(store, name=NAME, max_in_flight=9)
    assert changed.settings == replace(first.settings, max_in_flight=9)
    moved = await api.save_subscription(store, "by_event_type", "Counted", NAME, 4)
    assert (moved.start_from, moved.settings) == (4, changed.settings)
    live = await api.save_subscription(store, name=NAME, start_from=LIVE)
    assert await api.save_subscription(store, name=NAME, ordering="none") == replace(
        live, settings=replace(changed.settings, ordering="none"), updated_epoch=ANYTHING
    )
    assert (await info_of(api, store)).checkpoint == 5


async def test_changes_of_one_subscription_at_once_are_all_kept(api: GaterApi, store: str) -> None:
    await api.save_subscription(store, name=NAME)
    changes: list[GivenSettings] = [
        {"max_retries": 3},
        {"ack_timeout": 5.0},
        {"max_consumers": 2},
        {"ordering": "none"},
    ]
    await asyncio.gather(*[api.save_subscription(store, name=NAME, **change) for change in changes])
    settings = (await info_of(api, store)).settings
    assert settings == GroupSettings(max_retries=3, ack_timeout=5.0, max_consumers=2, ordering="none")


async def test_a_durable_subscription_needs_a_name_of_its_own(api: GaterApi, store: str) -> None:
    for named in ({}, {"name": "transient"}):
        with refused(InvalidArgumentError, argument="name"):
            await api.save_subscription(store, "by_event_type", "T", **named)
        with refused(InvalidArgumentError, argument="name"):
            await api.remove_subscription(store, "by_event_type", "T", **named)
    assert await api.get_subscriptions(store) == []


async def test_a_subscription_is_removed_by_its_name(api: GaterApi, store: str) -> None:
    await api.save_subscription(store, "by_event_type", "T", NAME)
    await api.remove_subscription(store, name=NAME)
    assert await api.get_subscriptions(store) == []


async def test_a_transient_subscription_is_not_kept(api: GaterApi, store: str) -> None:
    saved = await api.add_transient_subscription(store, "by_event_type", "T")
    assert (saved.name, saved.selector) == ("transient", by_event_type("T"))
    assert await api.get_subscriptions(store) == []
    await api.remove_transient_subscription(store, "by_event_type", "T")
    await api.remove_transient_subscription(store, "by_event_type", "T")


async def test_all_of_it_is_there_after_a_restart(tmp_path: Path) -> None:
    """Settings, checkpoint, what was settled out of order, how often something failed, and what is parked."""
    selector = stream_prefix("s-")

    async def work(delivery: Any) -> None:
        match delivery.event.position:
            case 2:
                await delivery.nack("retry", delay=60.0)
            case 3:
                await delivery.nack("park", reason="bad")
            case _:
                await delivery.ack()

    async with gater.open(tmp_path, stores=["orders"]) as api:
        for number in range(5):
            await api.append_events("orders", f"s-{number}", numbered(1, first=number))
        saved = await api.save_subscription("orders", selector, name=NAME, **QUICK)
        async with Worker(api, "orders", work) as worker:
            await until(lambda: worker.seen == [1, 2, 3, 4, 5])
            await settled_up_to(api, "orders", 1)
            await until(lambda: _has_parked(api, 1))
    async with gater.open(tmp_path) as api:
        info = await info_of(api, "orders")
        assert {name: getattr(info, name) for name in saved.__struct_fields__} == {
            name: getattr(saved, name) for name in saved.__struct_fields__
        }
        assert (info.checkpoint, info.parked) == (1, 1)
        assert [(p.position, p.reason, p.attempts) for p in await api.list_parked("orders", NAME)] == [(3, "bad", 1)]
        async with Worker(api, "orders") as worker:
            await settled_up_to(api, "orders", 5)
            assert worker.attempts == [(2, 2)]
    async with gater.open(tmp_path) as api:
        assert (await info_of(api, "orders")).checkpoint == 5
        await api.remove_subscription("orders", selector, name=NAME)
    async with gater.open(tmp_path) as api:
        assert await api.get_subscriptions("orders") == []


async def _has_parked(api: GaterApi, count: int) -> bool:
    return (await info_of(api, "orders")).parked == count


async def test_what_was_in_flight_is_delivered_after_a_restart(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["orders"]) as api:
        await api.append_events("orders", "s", numbered(3))
        await api.save_subscription("orders", name=NAME, ordering="none")
        assert positions([d.event for d in await api.pull_events("orders", NAME)]) == [1, 2, 3]
        await api.ack_event("orders", NAME, 2)
    async with gater.open(tmp_path) as api:
        assert positions([d.event for d in await api.pull_events("orders", NAME)]) == [1, 3]
