"""Many consumer groups that read large events: what they keep is bounded for all together."""

from __future__ import annotations

from typing import Final

import pytest

import gater
from gater import Delivery, GaterApi
from tests.load.loaded_node import LoadedNode

GROUPS: Final = 60
"""Each could keep 32 MiB: together they would have two gigabytes."""


async def begun(api: GaterApi, name: str) -> list[Delivery]:
    """What a new group gives first; it reads on for those that come next."""
    await api.save_subscription("s", name=name, ordering="none")
    return await api.pull_events("s", name, 1, wait=10.0)


@pytest.mark.parametrize("leaves", [False, True], ids=["hold what they were given", "have left"])
async def test_groups_whose_consumers(node: LoadedNode, leaves: bool) -> None:
    names = [f"group-{number}-{leaves}" for number in range(GROUPS)]
    async with gater.connect(node.url) as api:
        for name in names:
            [delivery] = await begun(api, name)
            if leaves:
                await delivery.ack()
        await node.check()
        consumers = {(await api.get_subscription("s", name)).consumers for name in names}
        assert consumers == {0 if leaves else 1}
        for name in names:
            await api.remove_subscription("s", name=name)
