"""Arguments of a wrong kind: each is refused with a clear error, and the store stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from gater import GaterApi, InvalidArgumentError, NewEvent, StoreNotFoundError, ValidationError
from tests.contract.samples import numbered, refused
from tests.contract.ways import Way


@pytest.mark.parametrize(
    "store_name", ["", "a b", "a/b", "../up", ".hidden", "-x", "x" * 65, "ä", "a\x00b", 5, None, b"x"]
)
async def test_store_names_are_checked_by_every_operation(api: GaterApi, store: str, store_name: Any) -> None:
    for call in (
        lambda: api.append_events(store_name, "s", numbered(1)),
        lambda: api.get_events(store_name, "s"),
        lambda: api.read_all(store_name),
        lambda: api.get_version(store_name, "s"),
        lambda: api.get_streams(store_name),
        lambda: api.delete_stream(store_name, "s"),
        lambda: api.truncate_stream(store_name, "s", 1),
        lambda: api.compact_store(store_name),
        lambda: api.list_snapshots(store_name),
        lambda: api.read_snapshot(store_name, "a", "b"),
        lambda: api.verify(store_name),
        lambda: api.get_store_status(store_name),
        lambda: api.get_store_config(store_name),
        lambda: api.remove_store(store_name),
        lambda: api.import_events(store_name, []),
        lambda: anext(api.subscribe(store_name)),
        lambda: anext(api.stream_all(store_name)),
        lambda: anext(api.stream_forward(store_name, "s")),
    ):
        with refused(InvalidArgumentError, argument="store"):
            await call()


async def test_every_operation_refuses_an_unknown_store(api: GaterApi, store: str) -> None:
    for call in (
        lambda: api.append_events("nowhere", "s", numbered(1)),
        lambda: api.append_events("nowhere", "s", []),
        lambda: api.compact_store("nowhere"),
        lambda: api.list_snapshots("nowhere"),
        lambda: api.read_snapshot("nowhere", "a", "b"),
        lambda: api.delete_snapshot("nowhere", "a", "b", 1),
        lambda: api.record_snapshot("nowhere", "a", "b", 1, {"data": 1}),
        lambda: api.verify("nowhere"),
        lambda: api.get_store_status("nowhere"),
        lambda: api.get_store_config("nowhere"),
        lambda: api.remove_store("nowhere"),
        lambda: anext(api.subscribe("nowhere")),
        lambda: anext(api.stream_forward("nowhere", "s")),
    ):
        with refused(StoreNotFoundError, store="nowhere"):
            await call()
    assert [info.store.store_id for info in await api.list_stores()].count("nowhere") == 0


@pytest.mark.parametrize("events", [NewEvent("T"), {"event_type": "T"}, "text", b"bytes", 5, None])
async def test_events_come_in_a_list(api: GaterApi, store: str, events: Any, way: Way) -> None:
    if way.name == "http":
        with refused(ValidationError, field="body"):
            await api.append_events(store, "s", events)
    else:
        with refused(InvalidArgumentError, argument="events"):
            await api.append_events(store, "s", events)


@pytest.mark.parametrize("event", [5, None, "text", [], ("T", {})])
async def test_an_event_is_a_new_event_or_a_mapping(api: GaterApi, store: str, event: Any, way: Way) -> None:
    if way.name == "http":
        with refused(ValidationError, field="body"):
            await api.append_events(store, "s", [event])
    else:
        with refused(InvalidArgumentError, argument="events"):
            await api.append_events(store, "s", [event])


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "event_type"),
        ({"data": 1}, "event_type"),
        ({"event_type": "T", "datum": 1}, "datum"),
        ({"event_type": "T", "stream_id": "s"}, "stream_id"),
        ({"event_type": "T", "z": 1, "a": 2}, "a"),
    ],
)
async def test_an_event_has_its_fields_and_no_others(
    api: GaterApi, store: str, event: Any, field: str, way: Way
) -> None:
    with refused(ValidationError, field="body" if way.name == "http" else field):
        await api.append_events(store, "s", [*numbered(1), event])
    assert await api.get_version(store, "s") == -1


@pytest.mark.parametrize("value", [5, None, b"T", ["T"]])
async def test_names_are_text(api: GaterApi, store: str, value: Any, way: Way) -> None:
    if way.name == "http":
        with refused(ValidationError, field="body"):
            await api.append_events(store, "s", [{"event_type": [value]}])
        return
    with refused(InvalidArgumentError, argument="event_type"):
        await api.append_events(store, "s", [NewEvent(value)])
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.append_events(store, value, numbered(1))
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.get_events(store, value)


@pytest.mark.parametrize("value", [5, True, b"short", ["x"]])
async def test_an_event_id_is_a_uuid(api: GaterApi, store: str, value: Any, way: Way) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a field of another type is a validation_error")
    with refused(InvalidArgumentError, argument="event_id"):
        await api.append_events(store, "s", [NewEvent("T", event_id=value)])


@pytest.mark.parametrize("value", ["", "a\nb", "x" * 256, 5])
async def test_a_content_type_is_a_name(api: GaterApi, store: str, value: Any, way: Way) -> None:
    if way.name == "http":
        pytest.skip("over HTTP an empty content type is none")
    with refused(InvalidArgumentError, argument="content_type"):
        await api.append_events(store, "s", [NewEvent("T", b"data", content_type=value)])


async def test_what_a_generator_raises_reaches_its_owner(api: GaterApi, store: str, way: Way) -> None:
    if way.name == "http":
        pytest.skip("a body is made before it is sent")

    def broken() -> Any:
        yield NewEvent("T")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await api.append_events(store, "s", broken())
    assert await api.get_version(store, "s") == -1
    await api.append_events(store, "s", (event for event in numbered(3)))
    assert await api.get_version(store, "s") == 2
