"""What every adapter promises; a new one joins the table, with how the adapters of one network are made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gater.pubsub.adapters.local import LocalAdapter
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.instances import Instance
from tests.unit.pubsub.hub import Hub

MakeAdapter = Callable[[], Adapter]

ARRIVAL_SECONDS = 5.0
"""How long a message may be under way."""
SILENCE_SECONDS = 0.05
"""How long is waited for what must not come."""


@pytest.fixture(params=[lambda: LocalAdapter, lambda: Hub().adapter], ids=["local", "hub"])
def make(request: pytest.FixtureRequest) -> MakeAdapter:
    """Makes the adapter of one more process of the same network."""
    network: Callable[[], MakeAdapter] = request.param
    return network()


class Received:
    """Keeps what an adapter delivers."""

    def __init__(self) -> None:
        self.messages: list[tuple[Instance, str, bytes]] = []

    def __call__(self, instance: Instance, topic: str, body: bytes) -> None:
        self.messages.append((instance, topic, body))

    async def until(self, count: int) -> list[tuple[Instance, str, bytes]]:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while len(self.messages) < count:
                await asyncio.sleep(0.001)
        return self.messages


async def test_what_a_process_publishes_does_not_come_back_to_it(make: MakeAdapter) -> None:
    adapter, received = make(), Received()
    await adapter.start(received)
    for instance in Instance:
        adapter.publish(instance, "t:1", b"body")
    await asyncio.sleep(SILENCE_SECONDS)
    await adapter.close()
    assert received.messages == []


async def test_each_other_process_gets_a_message_once_and_in_order(make: MakeAdapter) -> None:
    speaker, *others = adapters = [make() for _ in range(3)]
    heard = [Received() for _ in others]
    await speaker.start(Received())
    for adapter, received in zip(others, heard, strict=True):
        await adapter.start(received)
    sent = [(instance, f"t:{number}", b"%d" % number) for number in range(100) for instance in Instance]
    for message in sent:
        speaker.publish(*message)
    for received in heard:
        if speaker.reaches_others:
            await received.until(len(sent))
        await asyncio.sleep(SILENCE_SECONDS)
        assert received.messages == (sent if speaker.reaches_others else [])
    for adapter in adapters:
        await adapter.close()


async def test_publishing_before_the_start_and_after_the_end_does_nothing(make: MakeAdapter) -> None:
    adapter, other, received = make(), make(), Received()
    await other.start(received)
    adapter.publish(Instance.HEALTH, "t", b"early")
    await adapter.start(Received())
    await adapter.close()
    adapter.publish(Instance.HEALTH, "t", b"late")
    await asyncio.sleep(SILENCE_SECONDS)
    assert received.messages == []
    await other.close()


async def test_nothing_is_delivered_after_the_end(make: MakeAdapter) -> None:
    speaker, listener, received = make(), make(), Received()
    await speaker.start(Received())
    await listener.start(received)
    await listener.close()
    speaker.publish(Instance.HEALTH, "t", b"late")
    await asyncio.sleep(SILENCE_SECONDS)
    assert received.messages == []
    await speaker.close()


async def test_closing_an_adapter_twice_is_closing_it_once(make: MakeAdapter) -> None:
    adapter = make()
    await adapter.start(Received())
    await adapter.close()
    await adapter.close()
    await make().close()
