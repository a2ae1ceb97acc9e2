"""Whatever goes on from an event is refused when the store has another one there, or has not come so far."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import gater
from gater.api import operations as op
from gater.api.operation import Seen
from gater.api.subscription_operations import SubscribeOperation
from gater.model.selectors import parse_selector
from tests.contract.samples import first_of, numbered

WAYS: list[Callable[[Seen], Any]] = [
    lambda seen: op.ScanStream("s", "a", 2, seen=seen),
    lambda seen: op.ScanAll("s", 2, seen=seen),
    lambda seen: op.ScanAll("s", 3, True, seen=seen),
    lambda seen: SubscribeOperation("s", parse_selector("by_stream", "a"), 2, seen=seen),
]


@pytest.mark.parametrize("way", WAYS)
async def test_what_goes_on_is_compared_with_what_is_stored(tmp_path: Path, way: Callable[[Seen], Any]) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.append_events("s", "a", numbered(4))
        last = (await api.get_events("s", "a"))[1]

        async def go_on(position: int, event_id: bytes) -> Any:
            return await first_of(api._caller.stream(way(Seen(position, event_id))), 1)

        assert await go_on(2, last.id_bytes)
        assert await go_on(2, b"")
        for position, event_id in ((2, UUID(int=1).bytes), (5, last.id_bytes), (5, b"")):
            with pytest.raises(gater.HistoryChangedError):
                await go_on(position, event_id)
        await api.truncate_stream("s", "a", 2)
        await go_on(2, last.id_bytes)  # it is hidden
        await api.compact_store("s")
        await go_on(2, last.id_bytes)  # it is no longer stored
