"""Reads that answer with one list are bounded when no count is named."""

from __future__ import annotations

import pytest

import gater
from gater.api import listing

STORE = "s"
EVENTS = 2_500


async def test_a_list_without_a_count_is_refused_when_its_events_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gater.open(":memory:", stores=[STORE]) as api:
        await api.append_events(STORE, "a", [gater.NewEvent("T", number) for number in range(EVENTS)])
        reads = (
            lambda count=None: api.get_events(STORE, "a", count=count),
            lambda c=None: api.read_all(STORE, count=c),
        )
        assert [len(await read()) for read in reads] == [EVENTS, EVENTS]
        monkeypatch.setattr(listing, "MOST_LISTED_BYTES", 300_000)
        for read in reads:
            with pytest.raises(gater.RequestTooLargeError) as caught:
                await read()
            assert caught.value.limit == 300_000
            assert len(await read(EVENTS)) == EVENTS
