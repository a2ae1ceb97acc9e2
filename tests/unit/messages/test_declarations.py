"""Every record is declared exactly as promised: type, allowed values, position or name of each field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, get_type_hints

import pytest

from gater.messages.field_rules import Handle, Map, Number, Symbol
from gater.messages.origin import using
from gater.messages.records import RECORDS
from tests.unit.messages.promises import EVERY_FIELD, HERE, PROMISES, Promise, Promised

KINDS: Final[dict[str, Any]] = {
    "symbol": Symbol,
    "string": str,
    "int": int,
    "float": float,
    "number": Number,
    "bool": bool,
    "map": Map,
    "counts": Mapping[str, int],
    "moment": datetime,
    "handle": Handle,
    "any": Any,
    "[symbol]": Sequence[Symbol],
    "[string]": Sequence[str],
    "[map]": Sequence[Map],
}


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    with using(HERE):
        yield


@pytest.mark.parametrize(
    ("promise", "field"), EVERY_FIELD, ids=[f"{promise}-{field.name}" for promise, field in EVERY_FIELD]
)
def test_a_field_is_declared_with_the_promised_type_and_no_other_values(promise: Promise, field: Promised) -> None:
    hint = get_type_hints(RECORDS[promise.tag], include_extras=True)[field.name]
    kind: Any = Literal[tuple(field.allowed)] if field.allowed else KINDS[field.kind]
    assert hint == (kind | None if field.default == "null" and field.kind != "any" else kind)


@pytest.mark.parametrize("promise", PROMISES, ids=str)
def test_just_the_promised_fields_are_given_by_position(promise: Promise) -> None:
    given = [each for each in dataclasses.fields(RECORDS[promise.tag]) if each.init]
    assert [each.name for each in given if not each.kw_only] == [each.name for each in promise.positional]
    with pytest.raises(TypeError):
        promise.constructor(*[each.valid for each in promise.positional], promise.options[0].valid)
