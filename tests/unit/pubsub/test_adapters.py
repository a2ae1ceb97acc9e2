"""What every adapter promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gater.pubsub.adapters.local import LocalAdapter
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.instances import Instance

MakeAdapter = Callable[[], Adapter]


@pytest.fixture(params=[LocalAdapter], ids=["local"])
def make(request: pytest.FixtureRequest) -> MakeAdapter:
    """Makes the adapter of one process."""
    maker: MakeAdapter = request.param
    return maker


class Received:
    """Keeps what an adapter delivers."""

    def __init__(self) -> None:
        self.messages: list[tuple[Instance, str, bytes]] = []

    def __call__(self, instance: Instance, topic: str, body: bytes) -> None:
        self.messages.append((instance, topic, body))


async def test_what_a_process_publishes_does_not_come_back_to_it(make: MakeAdapter) -> None:
    adapter, received = make(), Received()
    await adapter.start(received)
    for instance in Instance:
        adapter.publish(instance, "t:1", b"body")
    await adapter.close()
    assert received.messages == []


async def test_publishing_before_the_start_and_after_the_end_does_nothing(make: MakeAdapter) -> None:
    adapter, received = make(), Received()
    adapter.publish(Instance.HEALTH, "t", b"early")
    await adapter.start(received)
    await adapter.close()
    adapter.publish(Instance.HEALTH, "t", b"late")
    assert received.messages == []


async def test_closing_an_adapter_twice_is_closing_it_once(make: MakeAdapter) -> None:
    adapter = make()
    await adapter.start(Received())
    await adapter.close()
    await adapter.close()
    await make().close()
