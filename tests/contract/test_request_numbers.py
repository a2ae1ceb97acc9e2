"""What a request may hold is bounded by number, whatever it weighs."""

from __future__ import annotations

from typing import Any

import pytest

from gater import (
    GaterApi,
    GaterError,
    InvalidArgumentError,
    NotFoundError,
    StreamAppend,
    StreamGuard,
    ValidationError,
)
from gater.model.errors import RequestTooLargeError
from gater.model.limits import MOST_DESCRIPTION_BYTES, MOST_GUARDS, MOST_POSITIONS, MOST_STREAMS
from gater.model.selectors import MOST_PATTERN_VALUES
from gater.store.memory_log import MOST_MEMORY_EVENTS
from tests.contract.consumers import NAME, save
from tests.contract.samples import numbered, refused
from tests.contract.ways import InMemory, Way


def most_of(way: Way, most: int) -> int:
    """How many streams or guards an append may have where others allow `most`."""
    return MOST_MEMORY_EVENTS if isinstance(way, InMemory) else most


async def test_an_append_writes_to_so_many_streams_and_no_more(api: GaterApi, store: str, way: Way) -> None:
    streams = [StreamAppend(f"s{number}", []) for number in range(MOST_STREAMS + 1)]
    with refused(RequestTooLargeError, limit=MOST_STREAMS, size=MOST_STREAMS + 1, what="streams"):
        await api.append_streams(store, streams)
    most = most_of(way, MOST_STREAMS)
    assert len(await api.append_streams(store, streams[:most])) == most


async def test_an_append_has_so_many_guards_and_no_more(api: GaterApi, store: str, way: Way) -> None:
    guards = [StreamGuard("guard", -2)] * (MOST_GUARDS + 1)
    with refused(RequestTooLargeError, limit=MOST_GUARDS, what="guards"):
        await api.append_streams(store, [StreamAppend("a", numbered(1))], guards)
    await api.append_streams(store, [StreamAppend("a", numbered(1))], guards[: most_of(way, MOST_GUARDS)])
    assert await api.get_version(store, "a") == 0


async def test_parked_events_are_named_by_so_many_positions_and_no_more(api: GaterApi, store: str) -> None:
    await save(api, store)
    for act in (api.replay_parked, api.discard_parked):
        with refused(RequestTooLargeError, limit=MOST_POSITIONS, what="positions"):
            await act(store, NAME, [1] * (MOST_POSITIONS + 1))
        with refused(NotFoundError):
            await act(store, NAME, [1] * MOST_POSITIONS)


@pytest.mark.parametrize(
    "values",
    [{"list": list(range(MOST_PATTERN_VALUES // 3))}, {"text": "x" * 23_000}],
    ids=["values", "bytes"],
)
async def test_the_patterns_of_a_selector_are_bounded_together(
    api: GaterApi, store: str, values: dict[str, Any]
) -> None:
    one: Any = {"by_event_payload": values}
    assert await api.read_all(store, selector={"any_of": [one, one]}) == []
    for selector in ({"any_of": [one, one, one]}, {"all_of": [one, {"any_of": [one, one]}]}):
        with pytest.raises(ValidationError):
            await api.read_all(store, selector=selector)


async def test_the_description_of_a_store_is_bounded_with_its_tags(api: GaterApi, store: str) -> None:
    for description, tags in (("x" * MOST_DESCRIPTION_BYTES, ["t"]), ("", ["t"] * MOST_DESCRIPTION_BYTES)):
        with pytest.raises(InvalidArgumentError):
            await api.create_store("other", description=description, tags=tags)
    with pytest.raises(GaterError):
        await api.get_store_status("other")
