"""Events as they are proposed, carried and shown."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.errors import InvalidArgumentError, ValidationError
from gater.model.events import (
    EVENT_WEIGHT,
    Event,
    NewEvent,
    check_imported,
    encode_events,
    encode_json,
    encode_payload,
    parse_event_id,
    payload_bytes,
    payload_bytes_of,
)
from gater.model.json_view import event_line
from gater.model.snapshots import new_snapshot

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_json_survives_encoding(value: Any) -> None:
    (raw,) = encode_events([NewEvent("T", value)])
    event = Event("s", 0, 1, raw.event_id, raw.event_type, raw.content_type, raw.data, raw.metadata, 0)
    assert event.data == value


@given(json_values, st.sampled_from([math.nan, math.inf, -math.inf]), st.booleans())
def test_a_number_that_json_cannot_show_is_found_wherever_it_is(value: Any, number: float, in_list: bool) -> None:
    with pytest.raises(ValidationError) as caught:
        encode_json([value, [{"deep": number}]] if in_list else {"a": value, "b": (number,)}, "data")
    assert caught.value.field == "data"


def test_a_number_that_json_cannot_show_is_found_in_values_of_other_kinds() -> None:
    class Measured(msgspec.Struct):
        value: float

    with pytest.raises(ValidationError):
        encode_json(Measured(math.nan), "data")
    assert encode_json(Measured(1.5), "data") == b'{"value":1.5}'
    assert encode_json({"nothing": None, "text": "null", "raw": Decimal("1.5")}, "data")


@given(st.binary())
def test_bytes_are_taken_as_they_are(data: bytes) -> None:
    for given_as in (data, bytearray(data), memoryview(data)):
        assert encode_payload(given_as, None, "data") == (data, "application/octet-stream")


def test_an_event_made_once_keeps_its_id() -> None:
    event = NewEvent("T")
    assert event.encoded().event_id == event.encoded().event_id
    assert NewEvent("T").encoded().event_id != event.encoded().event_id
    assert UUID(bytes=event.encoded().event_id).version == 7


def test_ids_made_one_after_the_other_are_in_order() -> None:
    ids = [event.event_id for event in encode_events([NewEvent("T") for _ in range(1_000)])]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1_000


@given(st.uuids())
def test_an_event_id_is_a_uuid_in_any_form(identity: UUID) -> None:
    for form in (identity, str(identity), str(identity).upper(), identity.hex, identity.bytes, f"{{{identity}}}"):
        assert parse_event_id(form) == identity.bytes


@pytest.mark.parametrize("value", ["", "x", 5, 5.0, b"15 bytes long..", "0" * 33, True, [], "-" * 36])
def test_anything_else_is_no_event_id(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_event_id(value)
    assert caught.value.argument == "event_id"


@pytest.mark.parametrize("value", [object(), {1j: 1}, {"x": object()}, {None: 1}, "\ud800", {"\ud800": 1}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        encode_json(value, "data")


class Holding(msgspec.Struct):
    raw: msgspec.Raw


@pytest.mark.parametrize("raw", [b"not json", b"", b"1,2", b'1,"y":2', b"1e999", b"\xff", b"[" * 600 + b"]" * 600])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda raw: raw, id="alone"),
        pytest.param(lambda raw: {"x": raw}, id="in an object"),
        pytest.param(lambda raw: [{"x": ("y", {1: raw}), "null": None}], id="deep"),
        pytest.param(Holding, id="in a value of another kind"),
    ],
)
def test_raw_json_is_checked_wherever_it_is(raw: bytes, value: Callable[[msgspec.Raw], Any]) -> None:
    given = value(msgspec.Raw(raw))
    for encode in (
        lambda: NewEvent("T", given).encoded(),
        lambda: NewEvent("T", metadata={"x": given}).encoded(),
        lambda: new_snapshot("a", "s", 1, {"data": given}, 0),
        lambda: new_snapshot("a", "s", 1, {"data": 1, "metadata": {"x": given}}, 0),
    ):
        with pytest.raises(ValidationError):
            encode()


def test_raw_json_that_is_sound_is_taken_as_it_is() -> None:
    part = msgspec.Raw(b'{"n": null}')
    assert encode_json({"x": part, "y": [part], "z": None}, "data") == b'{"x":{"n": null},"y":[{"n": null}],"z":null}'
    with pytest.raises(ValidationError):
        encode_json({"x": part, "y": [math.nan]}, "data")


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValidationError):
        encode_json(endless, "data")


def test_event_types_of_an_enumeration_are_text() -> None:
    class Types(enum.StrEnum):
        PLACED = "OrderPlaced"

    raw = NewEvent(Types.PLACED).encoded()
    assert (type(raw.event_type), raw.event_type) == (str, "OrderPlaced")


def test_a_mapping_is_an_event() -> None:
    given_as = {"event_type": "T", "data": {"x": 1}, "metadata": {"m": 1}, "event_id": UUID(int=5)}
    (raw,) = encode_events([given_as])
    assert (raw.event_type, raw.data, raw.metadata, raw.event_id) == ("T", b'{"x":1}', b'{"m":1}', UUID(int=5).bytes)


def test_metadata_given_as_json_bytes_is_an_object() -> None:
    assert NewEvent("T", None, b'{"x": 1}').encoded().metadata == b'{"x": 1}'  # type: ignore[arg-type]
    for metadata in (b"[1]", b"5", b"null", b"{", b""):
        with pytest.raises(ValidationError) as caught:
            NewEvent("T", None, metadata).encoded()  # type: ignore[arg-type]
        assert caught.value.field == "metadata"


def test_an_event_shows_itself_as_json() -> None:
    event = Event("s", 3, 7, UUID(int=1).bytes, "T", "application/json", b'{"x":1.50}', None, 1_700_000_000_000_001)
    shown = event.to_dict()
    assert (
        json.loads(json.dumps(shown))
        == json.loads(event_line(event))
        == {
            "stream_id": "s",
            "version": 3,
            "position": 7,
            "event_id": "00000000-0000-0000-0000-000000000001",
            "event_type": "T",
            "data": {"x": 1.5},
            "content_type": "application/json",
            "metadata": {},
            "created": "2023-11-14T22:13:20.000001Z",
            "created_epoch": 1_700_000_000_000_001,
        }
    )
    assert b'"x":1.50' in event_line(event)
    assert event.created == datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC)


def test_binary_data_is_shown_as_base64() -> None:
    event = Event("s", 0, 1, bytes(16), "T", "image/png", b"\x00\xff", b'{"a":1}', 0)
    shown = event.to_dict()
    assert json.loads(json.dumps(shown)) == json.loads(event_line(event)) == shown
    assert (shown["data"], shown["metadata"]) == ("AP8=", {"a": 1})
    assert event.data == b"\x00\xff"


@pytest.mark.parametrize(("version", "created"), [(0, 0), ((1 << 53) - 1, 253_402_300_799_999_999)])
def test_imported_versions_and_times_that_are_possible(version: int, created: int) -> None:
    check_imported(version, created)
    assert Event("s", version, 1, bytes(16), "T", "x", b"", None, created).created.tzinfo is UTC


@pytest.mark.parametrize(
    ("version", "created", "field"),
    [
        (-1, 0, "version"),
        (1 << 53, 0, "version"),
        (True, 0, "version"),
        ("0", 0, "version"),
        (0, -1, "created_epoch"),
        (0, 253_402_300_800_000_000, "created_epoch"),
        (0, 1.0, "created_epoch"),
    ],
)
def test_imported_versions_and_times_that_are_not(version: Any, created: Any, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        check_imported(version, created)
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["stream_id", "event_type", "content_type", "raw_data", "raw_metadata"])
def test_an_event_weighs_what_each_of_its_parts_weighs(field: str) -> None:
    event = Event("s", 0, 1, bytes(16), "T", "c", b"", b"", 0)
    heavy: Any = "x" * 200 if isinstance(getattr(event, field), str) else bytes(200)
    weight = msgspec.structs.replace(event, **{field: heavy}).payload_bytes
    assert weight - event.payload_bytes in (199, 200)


def test_events_without_anything_weigh_something() -> None:
    row = ("", 0, 1, bytes(16), "", "", b"", None, 0)
    assert payload_bytes(row) == EVENT_WEIGHT
    assert payload_bytes_of([row] * 1_000) == 1_000 * EVENT_WEIGHT
    assert payload_bytes_of([]) == 0


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b"},
        {"deep": [{"x": {None: 1, "null": 2}}]},
        {"id": {UUID(int=7): 1, str(UUID(int=7)): 2}},
        {1.5: 0, "1.5": 0, "raw": msgspec.Raw(b"[1,2]")},
    ],
)
def test_names_that_are_the_same_as_json_are_refused(value: Any) -> None:
    for field, event in (("data", NewEvent("T", value)), ("metadata", NewEvent("T", None, value))):
        with pytest.raises(ValidationError) as caught:
            event.encoded()
        assert caught.value.field == field


def test_names_that_are_no_text_are_kept_when_they_differ() -> None:
    value = {1: "a", 2: {"raw": msgspec.Raw(b'{"a": [1]}')}, UUID(int=7): datetime(2026, 1, 1, tzinfo=UTC)}
    assert set(json.loads(NewEvent("T", value).encoded().data)) == {"1", "2", str(UUID(int=7))}


def test_an_iterator_that_was_used_up_is_no_empty_append() -> None:
    events = (NewEvent("T", number) for number in range(3))
    assert len(encode_events(events)) == 3
    for nothing in (events, iter(()), map(str, ())):
        with pytest.raises(InvalidArgumentError) as caught:
            encode_events(nothing)  # type: ignore[arg-type]
        assert caught.value.argument == "events"
    assert encode_events([]) == encode_events(()) == ()
