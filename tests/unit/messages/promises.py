"""What records are promised to be, read from `promised_records.txt`, and values to try them with."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gater.messages.catalog import module_for_instance
from gater.messages.origin import Origin
from gater.messages.records import Record

NOW: Final = 1_700_000_000.25
MOMENT: Final = datetime.fromtimestamp(NOW, UTC)
HERE: Final = Origin("node-1", lambda: NOW)

NESTED: Final = {"a": [1, {"b": None}], "c": "d"}

VALID: Final[dict[str, Any]] = {
    "symbol": "alpha",
    "string": "some text, ü",
    "int": 7,
    "float": 1.5,
    "number": 3,
    "bool": True,
    "map": NESTED,
    "counts": {"info": 3, "error": 4},
    "moment": datetime(2024, 5, 6, 7, 8, 9, 123_456, UTC),
    "handle": "worker-1",
    "any": ["anything", {"plain": 1.25}],
    "[symbol]": ["alpha", "beta"],
    "[string]": ["one", ""],
    "[map]": [NESTED, {}],
}
"""By kind of field, a value that is accepted and kept."""

WRONG: Final[dict[str, list[Any]]] = {
    "symbol": [1, b"alpha", "", "x" * 256, ["alpha"]],
    "string": [1, b"text", ["text"], "\ud800"],
    "int": ["7", 7.0, True, 1 << 63, -(1 << 63) - 1],
    "float": ["1.5", True, math.nan, math.inf, 10**400],
    "number": ["3", False, math.nan, -math.inf],
    "bool": [1, 0, "true"],
    "map": [[], "text", 1, {1: 2}, {"a": object()}, {"a": {"b": {1, 2}}}, {"a": math.nan}, {"a": 1 << 64}],
    "counts": [[], {"info": "3"}, {"info": 3.0}, {1: 1}],
    "moment": ["2024-05-06T07:08:09Z", 1_700_000_000, datetime(2024, 5, 6)],
    "handle": [1.5, b"worker", "", True],
    "any": [object(), {1, 2}, {1: 2}, math.nan],
    "[symbol]": ["alpha", [1], [""], {"alpha"}],
    "[string]": ["one", [b"one"], [None]],
    "[map]": [{}, [[]], [{1: 2}]],
}
"""By kind of field, values that are refused; None besides, unless it is the default."""


@dataclasses.dataclass(frozen=True)
class Promised:
    """One field of a record as it is promised."""

    name: str
    kind: str
    default: str | None
    """None for what is given by position."""

    @property
    def allowed(self) -> list[str]:
        """The values that there are, for a field that has a list of them."""
        return self.kind.split(" | ") if " | " in self.kind else []

    @property
    def valid(self) -> Any:
        return self.allowed[-1] if self.allowed else VALID[self.kind]

    @property
    def wrong(self) -> list[Any]:
        values = ["something else", 1, ""] if self.allowed else WRONG[self.kind]
        may_be_none = self.default == "null" or self.kind == "any"
        return values if may_be_none else [*values, None]


@dataclasses.dataclass(frozen=True)
class Promise:
    """One record as it is promised."""

    instance: str
    name: str
    tag: str
    fields: tuple[Promised, ...]

    @property
    def constructor(self) -> Callable[..., Record]:
        constructor: Callable[..., Record] = getattr(module_for_instance(self.instance), self.name)
        return constructor

    @property
    def broadcast(self) -> Callable[[str, Any], None]:
        broadcast: Callable[[str, Any], None] = getattr(module_for_instance(self.instance), f"broadcast_{self.name}")
        return broadcast

    @property
    def positional(self) -> list[Promised]:
        return [each for each in self.fields if each.default is None]

    @property
    def options(self) -> list[Promised]:
        return [each for each in self.fields if each.default not in (None, "computed")]

    def build(self, **changed: Any) -> Record:
        """The record with valid positional values, except for the changed ones, and the changed options."""
        values = [changed.pop(each.name, each.valid) for each in self.positional]
        return self.constructor(*values, **changed)

    def __str__(self) -> str:
        return self.name


def fixed_default(text: str) -> Any:
    """The value that a promise of a default stands for."""
    known = {"the node": "node-1", "the node in a list": ("node-1",), "now": MOMENT}
    return known[text] if text in known else json.loads(text)


def read_promises() -> list[Promise]:
    promises: list[Promise] = []
    for line in Path(__file__).with_name("promised_records.txt").read_text().splitlines():
        if not line.startswith(" "):
            place, tag = line.split(" -> ")
            instance, name = place.split(".")
            promises.append(Promise(f"ex_esdb_{instance}", name, tag, ()))
            continue
        name, _, rest = line.strip().partition(": ")
        kind, _, default = rest.partition(" = ")
        last = promises[-1]
        promises[-1] = dataclasses.replace(last, fields=(*last.fields, Promised(name, kind, default or None)))
    return promises


PROMISES: Final = read_promises()
EVERY_FIELD: Final = [(promise, each) for promise in PROMISES for each in promise.fields if each.default != "computed"]
