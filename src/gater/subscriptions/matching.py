"""Selectors, compiled once to predicates over stored events.

Most events that are looked at do not match, so the cheap tests come first: a payload is decoded only when the bytes of
every text of the pattern are in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from gater.model.events import CONTENT_TYPE, DATA, JSON, METADATA, STREAM, TYPE, EventRow
from gater.model.json_rules import UNREADABLE
from gater.model.selectors import WILDCARD, Selector, is_literal, is_variable
from gater.store.event_fields import COLUMNS, DECODED, JSON_FIELDS, READERS
from gater.subscriptions.payloads import Payloads, SharedPayloads, needles

Accepts = Callable[[EventRow], bool]
Bound = dict[str, Any]
"""What the variables of a pattern stand for in one event."""
_Test = Callable[[Any, Bound], bool]

_COSTLY: Final = frozenset({*DECODED, *JSON_FIELDS})
_MISSING: Final = object()


class Matcher(msgspec.Struct, frozen=True):
    """A compiled selector."""

    selector: Selector
    accepts: Accepts
    types: frozenset[str] | None = None
    """The types of which an accepted event is one; None: it may be of any."""
    everything: bool = False
    """Whether every event is accepted, so that `accepts` need not be asked."""


def compile_selector(selector: Selector) -> Matcher:
    """The matcher of a parsed selector."""
    if selector.type not in ("all_of", "any_of"):
        return _compile(selector, Payloads())
    payloads = SharedPayloads()
    matcher = _compile(selector, payloads)

    def accepts(row: EventRow) -> bool:
        try:
            return matcher.accepts(row)
        finally:
            if payloads.used:
                payloads.clear()

    return msgspec.structs.replace(matcher, accepts=accepts)


def _compile(selector: Selector, payloads: Payloads) -> Matcher:
    value = selector.value
    match selector.type:
        case "by_stream":
            return _compile_stream(selector)
        case "by_event_type":
            return Matcher(selector, lambda row: row[TYPE] == value, types=frozenset((value,)))
        case "stream_prefix":
            return Matcher(selector, lambda row: row[STREAM].startswith(value))
        case "by_event_payload":
            return Matcher(selector, _payload_predicate(value, payloads))
        case "by_event_pattern":
            return _compile_pattern(selector, payloads)
        case "all_of":
            return _compile_all_of(selector, payloads)
        case _:
            return _compile_any_of(selector, payloads)


def _compile_stream(selector: Selector) -> Matcher:
    stream_id = selector.stream_id
    if stream_id is None:
        return Matcher(selector, _accept_all, everything=True)
    return Matcher(selector, lambda row: row[STREAM] == stream_id)


def _compile_pattern(selector: Selector, payloads: Payloads) -> Matcher:
    event_type = selector.value.get("event_type")
    return Matcher(
        selector,
        _pattern_predicate(selector.value, payloads) if selector.value else _accept_all,
        types=frozenset((event_type,)) if is_literal(event_type) else None,
        everything=not selector.value,
    )


def _compile_all_of(selector: Selector, payloads: Payloads) -> Matcher:
    parts = [_compile(part, payloads) for part in sorted(selector.value, key=_cost)]
    tests = tuple(part.accepts for part in parts if not part.everything)

    def accepts(row: EventRow) -> bool:
        for test in tests:  # noqa: SIM110 (all() takes several times as long)
            if not test(row):
                return False
        return True

    return Matcher(
        selector,
        tests[0] if len(tests) == 1 else accepts,
        types=_intersection(part.types for part in parts),
        everything=not tests,
    )


def _compile_any_of(selector: Selector, payloads: Payloads) -> Matcher:
    parts = [_compile(part, payloads) for part in sorted(selector.value, key=_cost)]
    if any(part.everything for part in parts):
        return Matcher(selector, _accept_all, everything=True)
    types: set[str] = set()
    for part in parts:
        if part.types is None:
            return Matcher(selector, _any_predicate(parts))
        types |= part.types
    return Matcher(selector, _any_predicate(parts), types=frozenset(types))


def _any_predicate(parts: list[Matcher]) -> Accepts:
    """The predicate of events that any part accepts; however many types or streams are named, one look is enough."""
    streams = frozenset(part.selector.stream_id for part in parts if part.selector.type == "by_stream")
    types = frozenset(part.selector.value for part in parts if part.selector.type == "by_event_type")
    tests = tuple(part.accepts for part in parts if part.selector.type not in ("by_stream", "by_event_type"))

    def accepts(row: EventRow) -> bool:
        if row[TYPE] in types or row[STREAM] in streams:
            return True
        for test in tests:  # noqa: SIM110 (any() takes several times as long)
            if test(row):
                return True
        return False

    return accepts


def _accept_all(_: EventRow) -> bool:
    return True


def _intersection(conditions: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    known = [condition for condition in conditions if condition is not None]
    return frozenset.intersection(*known) if known else None


def _cost(selector: Selector) -> int:
    """The approximate cost of a look at an event; only for ordering."""
    if selector.type in ("all_of", "any_of"):
        return 1 + sum(map(_cost, selector.value))
    if selector.type == "by_event_pattern":
        return 3 if _COSTLY & selector.value.keys() else 1
    return 2 if selector.type == "by_event_payload" else 0


def _payload_predicate(pattern: dict[str, Any], payloads: Payloads) -> Accepts:
    texts, test = needles(pattern), _compile_value(pattern)

    def accepts(row: EventRow) -> bool:
        if row[CONTENT_TYPE] != JSON or not payloads.may_hold(row[DATA], texts):
            return False
        try:
            return test(payloads.decode(row[DATA]), {})
        except UNREADABLE:
            return False

    return accepts


def _pattern_predicate(pattern: dict[str, Any], payloads: Payloads) -> Accepts:
    columns: list[tuple[int, Any]] = []
    searches: list[tuple[Callable[[EventRow], bytes], tuple[bytes, ...]]] = []
    tests: list[tuple[Callable[[EventRow], Any], _Test]] = []
    for field, value in pattern.items():
        if value == WILDCARD:
            continue  # every event has every field
        if field in COLUMNS and (is_literal(value) or type(value) is int):
            columns.append((COLUMNS[field], value))
            continue
        if field in JSON_FIELDS:
            searches.append((JSON_FIELDS[field], needles(value)))
        tests.append((_reader(field, payloads), _compile_value(value)))

    def accepts(row: EventRow) -> bool:
        for column, value in columns:
            if row[column] != value:
                return False
        for read_raw, texts in searches:
            if not payloads.may_hold(read_raw(row), texts):
                return False
        bound: Bound = {}
        try:
            return all(test(read(row), bound) for read, test in tests)
        except UNREADABLE:
            return False

    return accepts


def _reader(field: str, payloads: Payloads) -> Callable[[EventRow], Any]:
    if field == "data":
        return lambda row: payloads.decode(row[DATA]) if row[CONTENT_TYPE] == JSON else row[DATA]
    if field == "metadata":
        return lambda row: payloads.decode(row[METADATA] or b"{}")
    return READERS[field]


def _compile_value(pattern: Any) -> _Test:
    """Whether a value matches, given what variables stand for already, which is added to."""
    if isinstance(pattern, dict):
        return _compile_map(pattern)
    if isinstance(pattern, list):
        return _compile_list(pattern)
    if pattern == WILDCARD:
        return lambda value, bound: True
    if is_variable(pattern):
        return lambda value, bound: is_same(bound.setdefault(pattern, value), value)
    kind = type(pattern)
    return lambda value, bound: type(value) is kind and value == pattern


def _compile_map(pattern: dict[str, Any]) -> _Test:
    items = tuple((key, _compile_value(value)) for key, value in pattern.items())

    def test(value: Any, bound: Bound) -> bool:
        if type(value) is not dict:
            return False
        for key, inner in items:
            found = value.get(key, _MISSING)
            if found is _MISSING or not inner(found, bound):
                return False
        return True

    return test


def _compile_list(pattern: list[Any]) -> _Test:
    inner = tuple(map(_compile_value, pattern))

    def test(value: Any, bound: Bound) -> bool:
        if type(value) is not list or len(value) != len(inner):
            return False
        return all(each(item, bound) for each, item in zip(inner, value, strict=True))

    return test


def is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal as patterns see it: of the same types too, at every depth."""
    if type(one) is not type(other):
        return False
    if type(one) not in (dict, list):
        return bool(one == other)
    try:
        # Large values are compared by what is written in C: as equal, and as equally written.
        return bool(one == other) and _written(one) == _written(other)
    except RecursionError:
        return _is_same_at_any_depth(one, other)


def _is_same_at_any_depth(one: Any, other: Any) -> bool:
    """The same for values of an old file, which may be deeper than is admitted now."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if left is right:
            continue
        if type(left) is not type(right):
            return False
        if type(left) is dict:
            if left.keys() != right.keys():
                return False
            waiting += [(value, right[key]) for key, value in left.items()]
        elif type(left) is list:
            if len(left) != len(right):
                return False
            waiting += zip(left, right, strict=True)
        elif left != right:
            return False
    return True


def _written(value: Any) -> bytes:
    """The value as JSON with the type of each number; equal values that are written alike are the same."""
    return msgspec.json.encode(value, order="deterministic").replace(b"-0.0", b"0.0")
