"""Selectors: which events a read or a subscription is about, as small values that can be joined."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from gater.model.errors import InvalidArgumentError, ValidationError
from gater.model.events import encode_json
from gater.model.identifiers import check_event_type, check_name

ALL_STREAMS: Final = "$all"
"""The value of the `by_stream` selector that takes every event."""
_STREAM_CALLED_ALL: Final = "all"
"""The one stream that cannot be written with a leading `$`."""

DEEPEST_PATTERN: Final = 16
"""Maps and lists of a pattern that may lie inside each other."""
MOST_PATTERN_VALUES: Final = 1_000
"""Values of the patterns of a selector together, their maps and lists included."""
MOST_PATTERN_BYTES: Final = 64 << 10
"""Bytes of the patterns of a selector together, as JSON."""
MOST_PARTS: Final = 64
"""Parts of one `all_of` or `any_of`."""
DEEPEST_JOIN: Final = 8
"""Joins that may lie inside each other."""
MOST_PARTS_IN_ALL: Final = 256
"""Parts of a selector at all depths together."""

EVENT_FIELDS: Final = (
    "stream_id",
    "version",
    "position",
    "event_id",
    "event_type",
    "data",
    "content_type",
    "metadata",
    "created",
    "created_epoch",
)
"""What a `by_event_pattern` may speak about."""
_ALIASES: Final = {"event_stream_id": "stream_id", "event_number": "version"}

WILDCARD: Final = "_"
"""In a pattern: any value, if only there is one."""
_VARIABLE: Final = re.compile(r"\$[1-9][0-9]*").fullmatch

_LEAST_INTEGER: Final = -(1 << 63)
_LARGEST_INTEGER: Final = (1 << 64) - 1
"""What msgpack can carry."""
_NOT_GIVEN: Final = object()


class Selector(msgspec.Struct, frozen=True, array_like=True):
    """Which events are meant: a kind and its value, as `parse_selector` makes them.

    `value` is text for `by_stream`, `by_event_type` and `stream_prefix`, a dict for `by_event_pattern` and
    `by_event_payload`, and a tuple of selectors for `all_of` and `any_of`. One that was decoded from a wire is not
    checked yet: its parts are lists.
    """

    type: str
    value: Any

    def __and__(self, other: Selector) -> Selector:
        """The selector of events that both select."""
        return _join("all_of", self, other)

    def __or__(self, other: Selector) -> Selector:
        """The selector of events that at least one of the two selects."""
        return _join("any_of", self, other)

    def __eq__(self, other: object) -> bool:
        """As strict as matching is: a pattern with `True` is another than one with 1."""
        return isinstance(other, Selector) and self._canonical() == other._canonical()

    def __hash__(self) -> int:
        return hash(self._canonical())

    def _canonical(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")

    def to_plain(self) -> dict[str, Any]:
        """A mapping with one key, as JSON shows and stores it; `parse_selector` reads it back."""
        if self.type in _JOINS:
            return {self.type: [part.to_plain() for part in self.value]}
        return {self.type: msgspec.to_builtins(self.value)}

    @property
    def stream_id(self) -> str | None:
        """The one stream that it is confined to by a `by_stream`; None when there is none, or more than one."""
        if self.type == "by_stream":
            return _stream_of(self.value)
        if self.type == "all_of":
            streams = {part.stream_id for part in self.value} - {None}
            return streams.pop() if len(streams) == 1 else None
        return None


class _Bounds:
    """Counts of a selector so far."""

    def __init__(self) -> None:
        self.parts = itertools.count(1)
        self.values = itertools.count(1)
        self.bytes = 0
        """Of its patterns, as JSON."""


def parse_selector(type: Any, selector: Any = _NOT_GIVEN) -> Selector:
    """The selector that is meant, checked and in its canonical form, so that equal ones are equal.

    Either a kind and its value are given, or one thing: a Selector, a mapping with one key, or a pair of kind and
    value. The parts of `all_of` and `any_of` may be any of these. A stream may be named as `$id` or `id`; `$all` is
    every stream, and the stream that is called `all` is the bare `all`. Raises InvalidArgumentError, or
    ValidationError for a pattern, which may name a field that events do not have.
    """
    bounds = _Bounds()
    if selector is _NOT_GIVEN:
        return _parse(type, 1, bounds)
    if isinstance(type, Selector | Mapping | list | tuple):
        raise InvalidArgumentError("selector", "not beside a type that is a whole selector")
    return _checked(type, selector, 1, bounds)


def parse_whole(given: Any, argument: str) -> Selector:
    """As `parse_selector` of one thing; an InvalidArgumentError names the argument that held it."""
    if isinstance(given, str):
        raise InvalidArgumentError(argument, 'a selector, such as {"by_event_type": "OrderPlaced"}, not text')
    try:
        return parse_selector(given)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(argument, error.reason) from None


def _parse(given: Any, level: int, bounds: _Bounds) -> Selector:
    if isinstance(given, Selector):
        return _checked(given.type, given.value, level, bounds)
    if isinstance(given, Mapping) and len(given) == 1:
        ((kind, value),) = given.items()
        return _checked(kind, value, level, bounds)
    if isinstance(given, list | tuple) and len(given) == 2:
        return _checked(given[0], given[1], level, bounds)
    if isinstance(given, str) and given in _KINDS:
        raise InvalidArgumentError("selector", f"{given} needs a value")
    raise InvalidArgumentError("type", f"{_CHOICE}, or a mapping of one of them to its value")


def _checked(kind: Any, value: Any, level: int, bounds: _Bounds) -> Selector:
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidArgumentError("type", _CHOICE)
    kind = str.__str__(kind)
    if kind in _JOINS:
        return Selector(kind, _check_parts(kind, value, level, bounds))
    if kind in _PATTERNS:
        return Selector(kind, _PATTERNS[kind](value, bounds))
    return Selector(kind, _LEAVES[kind](value))


def _check_parts(kind: str, parts: Any, level: int, bounds: _Bounds) -> tuple[Selector, ...]:
    if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= MOST_PARTS:
        raise InvalidArgumentError("selector", f"{kind} takes a list of 1 to {MOST_PARTS} selectors")
    if level > DEEPEST_JOIN:
        raise InvalidArgumentError("selector", f"at most {DEEPEST_JOIN} joins inside each other")
    checked = []
    for part in parts:
        if next(bounds.parts) > MOST_PARTS_IN_ALL:
            raise InvalidArgumentError("selector", f"at most {MOST_PARTS_IN_ALL} parts in all")
        checked.append(_parse(part, level + 1, bounds))
    return tuple(checked)


def _check_stream(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError("selector", f"{ALL_STREAMS} or a stream id, not {type(value).__name__}")
    text = str.__str__(value)
    if text in (ALL_STREAMS, _STREAM_CALLED_ALL):
        return text
    return "$" + check_name(text.removeprefix("$"), "selector")


def _stream_of(value: str) -> str | None:
    return None if value == ALL_STREAMS else value.removeprefix("$")


def _check_prefix(value: Any) -> str:
    return check_name(value, "selector")


def _check_payload(value: Any, bounds: _Bounds) -> dict[str, Any]:
    """A pattern for `data`."""
    if not isinstance(value, dict):
        raise ValidationError("selector", f"a pattern is a mapping, not {type(value).__name__}")
    pattern: dict[str, Any] = _check_value(value, 1, bounds.values)
    bounds.bytes += len(encode_json(pattern, "selector"))
    if bounds.bytes > MOST_PATTERN_BYTES:
        raise ValidationError("selector", f"the patterns have at most {MOST_PATTERN_BYTES:,} bytes as JSON")
    return pattern


def _check_pattern(value: Any, bounds: _Bounds) -> dict[str, Any]:
    """A pattern for the fields of events, each under its own name."""
    pattern = _check_payload(value, bounds)
    named: dict[str, Any] = {}
    for key, inner in pattern.items():
        field = _ALIASES.get(key, key)
        if field not in EVENT_FIELDS:
            raise ValidationError(key[:80], "an event has no such field")
        if field in named:
            raise ValidationError(field, "named twice")
        named[field] = inner
    return dict(sorted(named.items()))


def _check_value(value: Any, level: int, counter: Iterator[int]) -> Any:
    if next(counter) > MOST_PATTERN_VALUES:
        raise ValidationError("selector", f"the patterns have at most {MOST_PATTERN_VALUES:,} values")
    if isinstance(value, dict | list | tuple):
        if level > DEEPEST_PATTERN:
            raise ValidationError("selector", f"a pattern is at most {DEEPEST_PATTERN} levels deep")
        if not isinstance(value, dict):
            return [_check_value(item, level + 1, counter) for item in value]
        return {key: _check_value(value[key], level + 1, counter) for key in _sorted_keys(value)}
    return _check_scalar(value)


def _sorted_keys(value: dict[Any, Any]) -> list[str]:
    if len(value) > MOST_PATTERN_VALUES:
        raise ValidationError("selector", f"the patterns have at most {MOST_PATTERN_VALUES:,} values")
    if not all(type(key) is str for key in value):
        raise ValidationError("selector", "the keys of a pattern are text")
    return sorted(value)


def _check_scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and _LEAST_INTEGER <= value <= _LARGEST_INTEGER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value) + 0.0  # makes 0.0 of -0.0
    raise ValidationError("selector", f"a pattern holds JSON values, not such {type(value).__name__}")


_LEAVES: Final[dict[str, Callable[[Any], Any]]] = {
    "by_stream": _check_stream,
    "by_event_type": check_event_type,
    "stream_prefix": _check_prefix,
}
_PATTERNS: Final[dict[str, Callable[[Any, _Bounds], Any]]] = {
    "by_event_pattern": _check_pattern,
    "by_event_payload": _check_payload,
}
_JOINS: Final = ("all_of", "any_of")
_KINDS: Final = ("by_stream", "by_event_type", *_PATTERNS, "stream_prefix", *_JOINS)
_CHOICE: Final = f"one of {', '.join(_KINDS)}"


def is_variable(value: Any) -> bool:
    """Whether this value of a pattern is `$1`, `$2` and so on: any value, but the same one everywhere."""
    return type(value) is str and _VARIABLE(value) is not None


def is_literal(value: Any) -> bool:
    """Whether this value of a pattern is text that means itself."""
    return type(value) is str and value != WILDCARD and not is_variable(value)


def reach(selector: Selector) -> tuple[str, ...]:
    """The streams that it can touch, by their ids or what these begin with; `""` is the whole store.

    For access control: what it selects, and what is read to find it, lies within.
    """
    if selector.type == "any_of":
        return tuple(sorted({name for part in selector.value for name in reach(part)}))
    if selector.type == "all_of" and selector.stream_id is None:
        # The part that tells the most; another one might too, and would be as true.
        return max((reach(part) for part in selector.value), key=lambda names: min(map(len, names)))
    if selector.type == "stream_prefix":
        return (selector.value,)
    if selector.type == "by_event_pattern":
        stream_id = selector.value.get("stream_id")
        return (stream_id,) if is_literal(stream_id) else ("",)
    return (selector.stream_id or "",)


def _join(kind: str, *selectors: Selector) -> Selector:
    parts: list[Selector] = []
    for selector in selectors:
        parts += selector.value if selector.type == kind else (selector,)
    return parse_selector(kind, parts)


def by_stream(id: str = ALL_STREAMS) -> Selector:
    """The events of one stream, or of all."""
    return parse_selector("by_stream", id)


def by_event_type(name: str) -> Selector:
    """The events of one type, in any stream."""
    return parse_selector("by_event_type", name)


def by_event_pattern(pattern: dict[str, Any]) -> Selector:
    """The events whose fields match a pattern."""
    return parse_selector("by_event_pattern", pattern)


def by_event_payload(pattern: dict[str, Any]) -> Selector:
    """The events whose data matches a pattern."""
    return parse_selector("by_event_payload", pattern)


def stream_prefix(prefix: str) -> Selector:
    """The events of the streams whose ids begin like this."""
    return parse_selector("stream_prefix", prefix)


def all_of(*parts: Selector | Mapping[str, Any]) -> Selector:
    """The events that all parts select."""
    return parse_selector("all_of", parts)


def any_of(*parts: Selector | Mapping[str, Any]) -> Selector:
    """The events that at least one part selects."""
    return parse_selector("any_of", parts)
