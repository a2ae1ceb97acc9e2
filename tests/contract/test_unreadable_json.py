"""JSON that some reader could not decode is refused on each way in; what all can decode is kept as it came."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater import GaterApi, StreamAppend, ValidationError
from gater.model.events import JSON
from tests.contract.samples import all_of
from tests.contract.unreadable import READABLE, UNREADABLE
from tests.contract.ways import Way

ID = "0190b3a4-0000-7000-8000-000000000001"


def json_of(raw: bytes, way: Way) -> dict[str, Any]:
    """The fields that give an event this JSON, unchanged."""
    return {"data": msgspec.Raw(raw)} if way.name == "http" else {"data": raw, "content_type": JSON}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_some_reader_cannot_decode_is_refused(api: GaterApi, store: str, raw: bytes, way: Way) -> None:
    fields = json_of(raw, way)
    metadata: Any = msgspec.Raw(raw) if way.name == "http" else raw
    imported = {"stream_id": "s", "version": 0, "event_id": ID, "event_type": "T", "created_epoch": 1}
    for call in (
        lambda: api.append_events(store, "s", [{"event_type": "T", **fields}]),
        lambda: api.append_events(store, "s", [{"event_type": "T", "metadata": metadata}]),
        lambda: api.append_streams(store, [StreamAppend("s", [{"event_type": "T", **fields}])]),
        lambda: api.import_events(store, [{**imported, **fields}]),
        lambda: api.record_snapshot(store, "a", "s", 1, fields),
    ):
        with pytest.raises(ValidationError):
            await call()
    assert await api.get_streams(store) == []
    assert await api.list_snapshots(store) == []


@pytest.mark.parametrize("raw", READABLE.values(), ids=READABLE.keys())
async def test_what_every_reader_can_decode_is_kept(api: GaterApi, store: str, raw: bytes, way: Way) -> None:
    await api.append_events(store, "s", [{"event_type": "T", **json_of(raw, way)}])
    (event,) = await all_of(api.stream_all(store))
    assert event.data == msgspec.json.decode(raw)


async def test_values_that_nest_too_deeply_are_refused(api: GaterApi, store: str, way: Way) -> None:
    value: Any = 1
    for _ in range(600):
        value = [value]
    with pytest.raises(ValidationError):
        await api.append_events(store, "s", [{"event_type": "T", "data": value}])
    with pytest.raises(ValidationError):
        await api.append_events(store, "s", [{"event_type": "T", "metadata": {"x": value}}])
    assert await api.get_version(store, "s") == -1
