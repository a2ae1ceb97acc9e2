"""What an event may hold: JSON of every kind, bytes of every kind, ids and types of every script."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from gater import (
    EventTooLargeError,
    GaterApi,
    InvalidArgumentError,
    NewEvent,
    RequestTooLargeError,
    ValidationError,
)
from tests.contract.samples import numbered, refused
from tests.contract.ways import Way

MIB = 1 << 20


async def stored(api: GaterApi, store: str, event: Any) -> Any:
    """The event as it is read back, by each kind of read alike."""
    await api.append_events(store, "s", [event])
    (read,) = await api.get_events(store, "s")
    assert await api.read_all(store) == [read]
    return read


@pytest.mark.parametrize(
    "data",
    [
        None,
        True,
        0,
        -1,
        (1 << 63) - 1,
        -(1 << 63),
        1.5,
        1e300,
        "",
        'text with \u0000, \u2028, \\ and "quotes"',
        "\U0001f600 日本語",
        [],
        {},
        [1, "two", None, [3, {"four": 5}]],
        {"": {"": ""}, "a": {"b": {"c": [1, 2, {"d": None}]}}},
        pytest.param({"text": "x" * 100_000}, id="100 KB of text"),
        pytest.param({"numbers": list(range(10_000))}, id="10,000 numbers"),
        pytest.param(json.loads("[" * 100 + "]" * 100), id="100 levels"),
    ],
)
async def test_json_comes_back_as_it_was(api: GaterApi, store: str, data: Any) -> None:
    event = await stored(api, store, NewEvent("Happened", data))
    assert event.data == data
    assert type(event.data) is type(data)
    assert event.content_type == "application/json"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        bytes(range(256)),
        b'{"looks": "like JSON"}',
        pytest.param(bytes(range(256)) * 400, id="100 KB of bytes"),
        pytest.param(b"\xff" * MIB, id="1 MiB of bytes"),
    ],
)
async def test_bytes_come_back_as_they_were(api: GaterApi, store: str, data: bytes) -> None:
    event = await stored(api, store, NewEvent("Happened", data))
    assert event.data == data
    assert event.content_type == "application/octet-stream"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-protobuf; type=Order", "image/png"])
async def test_bytes_keep_their_content_type(api: GaterApi, store: str, content_type: str) -> None:
    event = await stored(api, store, NewEvent("Happened", b"data", content_type=content_type))
    assert (event.data, event.content_type) == (b"data", content_type)


async def test_json_given_as_bytes_is_kept_byte_for_byte(api: GaterApi, store: str, way: Way) -> None:
    raw = b' { "b" : 1.50, "a": "\\u00e9" } '
    event = await stored(api, store, NewEvent("Happened", raw, content_type="application/json"))
    assert event.raw_data == raw
    assert event.data == {"b": 1.5, "a": "é"}


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_every_kind_of_bytes_is_taken(api: GaterApi, store: str, kind: Any) -> None:
    assert (await stored(api, store, NewEvent("Happened", kind(b"data")))).data == b"data"


async def test_what_json_can_show_is_taken(api: GaterApi, store: str) -> None:
    moment, identity = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), uuid4()
    event = await stored(api, store, NewEvent("Happened", {"at": moment, "id": identity, "pair": (1, 2)}))
    assert event.data == {"at": "2026-01-02T03:04:05Z", "id": str(identity), "pair": [1, 2]}


@pytest.mark.parametrize("metadata", [{}, {"user": "Zoë", "nested": {"list": [1, None]}}, {"text": "x" * 100_000}])
async def test_metadata_comes_back_as_it_was(api: GaterApi, store: str, metadata: dict[str, Any]) -> None:
    assert (await stored(api, store, NewEvent("Happened", None, metadata))).metadata == metadata


@pytest.mark.parametrize(
    "name", ["a", " ", "order-1", "a/b?c=d&e#f%2F", "日本", "\U0001f600", "..", "é" * 127 + "x", "x" * 255, "null", "0"]
)
async def test_names_of_every_script_are_taken(api: GaterApi, store: str, name: str) -> None:
    await api.append_events(store, name, [NewEvent(name, {"n": 1})])
    (event,) = await api.get_events(store, name)
    assert (event.stream_id, event.event_type) == (name, name)
    assert await api.get_version(store, name) == 0
    assert await api.get_streams(store) == [name]


@pytest.mark.parametrize(
    "name",
    ["", "\x00", "a\x1fb", "a\nb", "tab\t", "\x7f", "\x85", "x" * 256, "é" * 128, "\ud800"],
)
async def test_names_that_cannot_be_are_refused(api: GaterApi, store: str, name: str) -> None:
    with refused(InvalidArgumentError, argument="event_type"):
        await api.append_events(store, "s", [NewEvent(name)])
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.append_events(store, name, numbered(1))
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.get_events(store, name)
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.get_version(store, name)
    assert await api.read_all(store) == []


async def test_an_enumeration_of_names_is_taken(api: GaterApi, store: str) -> None:
    class Types(enum.StrEnum):
        PLACED = "OrderPlaced"

    class Named(str):
        __slots__ = ()

    await api.append_events(store, Named("order-1"), [NewEvent(Types.PLACED)])
    (event,) = await api.get_events(store, Named("order-1"))
    assert (event.stream_id, event.event_type) == ("order-1", "OrderPlaced")
    assert type(event.event_type) is str


@pytest.mark.parametrize("given", ["018F3F5C-0000-7000-8000-000000000001", "018f3f5c000070008000000000000001"])
async def test_event_ids_may_be_text(api: GaterApi, store: str, given: str) -> None:
    event = await stored(api, store, NewEvent("Happened", event_id=given))
    assert event.event_id == UUID("018f3f5c-0000-7000-8000-000000000001")


@pytest.mark.parametrize("given", ["", "1", "not-a-uuid", "018f3f5c-0000-7000-8000-00000000000"])
async def test_event_ids_are_uuids(api: GaterApi, store: str, given: Any) -> None:
    with refused(InvalidArgumentError, argument="event_id"):
        await api.append_events(store, "s", [NewEvent("Happened", event_id=given)])


@pytest.mark.parametrize(
    "data", [float("nan"), {"deep": [1, {"x": float("inf")}]}, [float("-inf")], (None, float("nan"))]
)
async def test_numbers_that_json_cannot_show_are_refused(api: GaterApi, store: str, data: Any, way: Way) -> None:
    if way.name == "http":
        pytest.skip("JSON has no such number")
    with refused(ValidationError, field="data"):
        await api.append_events(store, "s", [NewEvent("Happened", data)])
    with refused(ValidationError, field="metadata"):
        await api.append_events(store, "s", [NewEvent("Happened", None, {"x": data})])


@pytest.mark.parametrize("data", [object(), {"x": object()}, {None: 1}, {(1, 2): 3}, "\ud800", {"x": 1j}])
async def test_data_that_json_cannot_show_is_refused(api: GaterApi, store: str, data: Any) -> None:
    with refused(ValidationError, field="data"):
        await api.append_events(store, "s", [NewEvent("Happened", data)])
    assert await api.get_version(store, "s") == -1


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"nul", b'{"x": NaN}', b"{} {}", b'"\xff"', b"\xef\xbb\xbf{}", b"'x'", b"1e999", b'"\\ud800"']
)
async def test_bytes_that_say_json_must_be_json(api: GaterApi, store: str, raw: bytes) -> None:
    with refused(ValidationError, field="data"):
        await api.append_events(store, "s", [NewEvent("Happened", raw, content_type="application/json")])


@pytest.mark.parametrize("metadata", [[], "text", 5, True, [("a", 1)]])
async def test_metadata_is_a_mapping(api: GaterApi, store: str, metadata: Any) -> None:
    with refused(ValidationError, field="metadata"):
        await api.append_events(store, "s", [NewEvent("Happened", None, metadata)])


async def test_a_value_cannot_have_a_content_type_of_bytes(api: GaterApi, store: str, way: Way) -> None:
    if way.name == "http":
        pytest.skip("over HTTP such data is base64 text")
    for data in ({"x": 1}, 5, None):
        with refused(InvalidArgumentError, argument="content_type"):
            await api.append_events(store, "s", [NewEvent("Happened", data, content_type="text/plain")])


@pytest.mark.parametrize(
    ("data", "metadata"),
    [
        (b"x" * (MIB + 1), None),
        ("x" * (MIB - 1), None),
        (b"x" * (MIB - 10), {"text": "0123456789"}),
        (None, {"text": "x" * MIB}),
    ],
    ids=["bytes", "JSON", "data and metadata", "metadata"],
)
async def test_an_event_over_the_limit_is_refused(api: GaterApi, store: str, data: Any, metadata: Any) -> None:
    with refused(EventTooLargeError, limit=MIB):
        await api.append_events(store, "s", [NewEvent("Happened", data, metadata)])
    assert await api.get_version(store, "s") == -1


async def test_an_event_at_the_limit_is_taken(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", [NewEvent("Happened", b"x" * MIB)])
    await api.append_events(store, "s", [NewEvent("Happened", "x" * (MIB - 2))])
    assert [len(event.raw_data) for event in await api.get_events(store, "s")] == [MIB, MIB]


async def test_a_request_over_the_limit_is_refused(api: GaterApi, store: str) -> None:
    limit = 16 * MIB
    with refused(RequestTooLargeError, limit=limit):
        await api.append_events(store, "s", [NewEvent("Happened", bytes(size)) for size in [MIB] * 16 + [1]])
    with pytest.raises(RequestTooLargeError) as caught:  # more than the way in carries at all
        await api.append_events(store, "s", [NewEvent("Happened", bytes(MIB)) for _ in range(30)])
    assert caught.value.size > caught.value.limit >= limit
    assert await api.get_version(store, "s") == -1
    # The way in is still good.
    await api.append_events(store, "s", [NewEvent("Happened", bytes(MIB)) for _ in range(3)])
    assert await api.get_version(store, "s") == 2


async def test_one_append_may_hold_many_events(api: GaterApi, store: str) -> None:
    result = await api.append_events(store, "s", numbered(5_000))
    assert result.version == 4_999
    assert [event.data["number"] for event in await api.get_events(store, "s", 0, 10_000)] == list(range(5_000))
