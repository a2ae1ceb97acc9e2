"""Those who pull do not disturb each other."""

from __future__ import annotations

from gater import GaterApi
from tests.contract.consumers import NAME, is_doing, save
from tests.contract.samples import numbered


async def test_stop_takes_back_what_was_pulled_together_and_nothing_of_others(api: GaterApi, store: str) -> None:
    await save(api, store, ordering="none")
    await api.append_events(store, "a", numbered(4))
    first, second = await api.pull_events(store, NAME, 2), await api.pull_events(store, NAME, 2)
    await api.nack_event(store, NAME, first[1], "stop")
    await is_doing(api, store, in_flight=2)
    for delivery in second:
        await api.ack_event(store, NAME, delivery)
    again = await api.pull_events(store, NAME, 10)
    assert [(delivery.event.position, delivery.attempt) for delivery in again] == [(1, 1), (2, 1)]
    for delivery in again:
        await api.ack_event(store, NAME, delivery)
    await is_doing(api, store, in_flight=0, lag=0)
