"""The lag of a subscription: the events that are left for it, not the positions of others."""

from __future__ import annotations

import pytest

from gater import GaterApi, NewEvent
from gater.model.selectors import Selector, by_event_payload, by_event_type, by_stream
from gater.model.selectors import stream_prefix as prefix
from tests.contract.consumers import NAME, Worker, has, info_of, settled_up_to
from tests.contract.samples import numbered, until

SELECTORS = [prefix("rare-"), by_event_type("Rare"), by_event_payload({"kind": "rare"})]


async def fill(api: GaterApi, store: str) -> None:
    """Three events that match, each before 400 others."""
    for number in range(3):
        await api.append_events(store, f"rare-{number}", [NewEvent("Rare", {"kind": "rare"})])
        await api.append_events(store, "other", numbered(400))


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: selector.type)
async def test_positions_that_do_not_match_do_not_count(api: GaterApi, store: str, selector: Selector) -> None:
    await fill(api, store)
    await api.save_subscription(store, selector, name=NAME)
    await until(lambda: has(api, store, lag=3, state="stranded"))
    (listed,) = await api.get_subscriptions(store)
    assert listed.lag == 3


async def test_the_lag_is_that_of_what_is_left_while_it_is_consumed(api: GaterApi, store: str) -> None:
    await fill(api, store)
    await api.save_subscription(store, prefix("rare-"), name=NAME, checkpoint_interval=0.01)
    (first,) = await api.pull_events(store, NAME, 1, wait=10.0)
    await until(lambda: has(api, store, lag=3, in_flight=1))
    await first.ack()
    await until(lambda: has(api, store, lag=2, in_flight=0))
    async with Worker(api, store):
        await settled_up_to(api, store, 803)
        await until(lambda: has(api, store, lag=0, state="live"))
    await until(lambda: has(api, store, lag=0, state="idle"))


async def test_nothing_is_left_where_nothing_matches(api: GaterApi, store: str) -> None:
    await api.append_events(store, "other", numbered(1_200))
    await api.save_subscription(store, prefix("rare-"), name=NAME)
    await until(lambda: has(api, store, lag=0, state="idle"))


async def test_hidden_events_of_the_stream_do_not_count(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(10))
    await api.save_subscription(store, by_stream("a"), name=NAME)
    await api.truncate_stream(store, "a", 7)
    assert (await info_of(api, store)).lag == 3
    await api.delete_stream(store, "a")
    assert ((await info_of(api, store)).lag, (await info_of(api, store)).state) == (0, "idle")
