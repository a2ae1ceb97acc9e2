"""The index by stream lags behind what is stored; no reader may notice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import gater
from gater.store.recent import LAG

STORE = "s"
STREAMS = 300


async def _append_randomly(api: gater.GaterApi, rng: random.Random, content: dict[str, list[str]], events: int) -> None:
    """Appends of several sizes: some streams busy, some rarely written, so that runs of every kind come about."""
    written = 0
    while written < events:
        appends = []
        for name in {f"stream-{int(rng.triangular(0, STREAMS, 0))}" for _ in range(rng.choice((1, 8, 60)))}:
            new = [gater.NewEvent("T", None) for _ in range(rng.choice((1, 1, 1, 2, 30)))]
            content.setdefault(name, []).extend(str(event.event_id) for event in new)
            appends.append(gater.StreamAppend(name, new))
            written += len(new)
        await api.append_streams(STORE, appends)


async def _check_reads(api: gater.GaterApi, rng: random.Random, content: dict[str, list[str]]) -> None:
    for name in rng.sample(sorted(content), min(60, len(content))):
        expected = content[name]
        assert await api.get_version(STORE, name) == len(expected) - 1
        start, count = rng.randrange(len(expected)), rng.choice((1, 7, 100, 5_000))
        forward = await api.get_events(STORE, name, start, count)
        assert [str(event.event_id) for event in forward] == expected[start : start + count]
        assert [event.version for event in forward] == list(range(start, start + len(forward)))
        backward = await api.get_events(STORE, name, start, count, "backward")
        window = expected[max(start - count + 1, 0) : start + 1]
        assert [str(event.event_id) for event in backward] == window[::-1]


@pytest.mark.parametrize("seed", [1, 2])
async def test_reads_are_whole_while_the_index_lags_and_after_reopening(tmp_path: Path, seed: int) -> None:
    rng, content = random.Random(seed), dict[str, list[str]]()
    for events in (50, LAG // 2, 2 * LAG, 200, LAG):
        async with gater.open(tmp_path, stores=[STORE]) as api:
            await _check_reads(api, rng, content)
            await _append_randomly(api, rng, content, events)
            await _check_reads(api, rng, content)
            assert (await api.verify(STORE)).problems == ()
    assert sum(map(len, content.values())) > 3 * LAG


async def test_a_stream_that_is_rarely_written_is_found_after_many_others(tmp_path: Path) -> None:
    rng = random.Random(3)
    async with gater.open(tmp_path, stores=[STORE]) as api:
        await api.append_events(STORE, "rare", [gater.NewEvent("T", 1)])
        await _append_randomly(api, rng, {}, LAG + 500)
        assert [event.data for event in await api.get_events(STORE, "rare")] == [1]
        assert (await api.append_events(STORE, "rare", [gater.NewEvent("T", 2)], 0)).version == 1
        assert [event.data for event in await api.get_events(STORE, "rare")] == [1, 2]
        assert [event.data async for event in api.stream_backward(STORE, "rare")] == [2, 1]


async def test_truncated_streams_are_compacted_wherever_the_index_stands(tmp_path: Path) -> None:
    rng, content = random.Random(4), dict[str, list[str]]()
    async with gater.open(tmp_path, stores=[STORE]) as api:
        await _append_randomly(api, rng, content, LAG + 2_000)
        cuts = {name: rng.randrange(len(ids) + 1) for name, ids in content.items()}
        for name, cut in cuts.items():
            await api.truncate_stream(STORE, name, cut)
        assert await api.compact_store(STORE) == sum(cuts.values())
        assert (await api.verify(STORE)).problems == ()
    async with gater.open(tmp_path) as api:
        for name, ids in content.items():
            left = [event async for event in api.stream_forward(STORE, name)]
            assert [str(event.event_id) for event in left] == ids[cuts[name] :]
            assert await api.get_version(STORE, name) == len(ids) - 1
        assert (await api.verify(STORE)).problems == ()
