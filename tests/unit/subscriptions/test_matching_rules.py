"""Random selectors and events: what is accepted agrees with a slow matcher written from the rules."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gater.model.events import BINARY, JSON, EventRow
from gater.model.selectors import (
    Selector,
    all_of,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    is_variable,
    stream_prefix,
)
from gater.store.watches import Watches
from gater.subscriptions.interests import interest_of
from gater.subscriptions.matching import compile_selector
from tests.unit.subscriptions.accepting import accepts, row

texts = st.sampled_from(["", "a", "b", "ab", "J", "_", "$1", "$2", "$", "ä", '"', "\\", "\n", "\x7f", "1", "true"])
values = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 2, -1, 0.0, 1.0, 2.5, 1e22, 1 << 63]) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=3)
streams = st.sampled_from(["a", "ab", "b"])
types = st.sampled_from(["T", "U"])


@st.composite
def patterns_of(draw: st.DrawFn, value: Any) -> Any:
    """A pattern that is likely to match the value: parts left out, some replaced."""
    choice = draw(st.integers(0, 9))
    if choice == 0:
        return draw(st.sampled_from(["_", "$1", "$2"]))
    if choice == 1:
        return draw(values)
    if isinstance(value, dict):
        return {key: draw(patterns_of(inner)) for key, inner in value.items() if draw(st.integers(0, 3))}
    if isinstance(value, list):
        return [draw(patterns_of(inner)) for inner in value]
    return value


@st.composite
def written(draw: st.DrawFn, value: Any) -> bytes:
    """The value as JSON in one of the ways in which it can be written."""
    indent, ascii_only = draw(st.sampled_from([None, 1])), draw(st.booleans())
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    if draw(st.booleans()):
        escaped = draw(st.sampled_from("abJ_1$"))
        raw = _escape_in_texts(raw, escaped)
    assert json.loads(raw) == value
    return raw.encode()


def _escape_in_texts(raw: str, character: str) -> str:
    pieces, inside, place = [], False, 0
    while place < len(raw):
        piece = raw[place : place + 2] if inside and raw[place] == "\\" else raw[place]
        if raw[place : place + 2] == "\\u":
            piece = raw[place : place + 6]
        place += len(piece)
        inside ^= piece == '"'
        pieces.append(f"\\u{ord(character):04x}" if inside and piece == character else piece)
    return "".join(pieces)


def slow_match(pattern: Any, value: Any, bound: dict[str, Any]) -> bool:
    """The rules as they are written down, without a thought of speed."""
    if pattern == "_":
        return True
    if is_variable(pattern):
        if pattern not in bound:
            bound[pattern] = value
        return exactly(bound[pattern]) == exactly(value)
    if type(pattern) is not type(value):
        return False
    if isinstance(pattern, dict):
        return all(key in value and slow_match(inner, value[key], bound) for key, inner in pattern.items())
    if isinstance(pattern, list):
        return len(pattern) == len(value) and all(
            slow_match(inner, item, bound) for inner, item in zip(pattern, value, strict=True)
        )
    return bool(pattern == value)


def exactly(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


@given(st.data(), objects)
def test_a_payload_predicate_agrees_with_the_rules(data: st.DataObject, value: dict[str, Any]) -> None:
    pattern = data.draw(patterns_of(value))
    if not isinstance(pattern, dict):
        pattern = {"a": pattern}
    raw = data.draw(written(value))
    expected = slow_match(pattern, value, {})
    assert accepts(by_event_payload(pattern), row(raw=raw)) is expected
    assert accepts(by_event_pattern({"data": pattern}), row(raw=raw)) is expected
    assert accepts(by_event_pattern({"metadata": pattern}), row(metadata=raw)) is expected


@given(st.data(), values)
def test_a_data_predicate_agrees_with_the_rules(data: st.DataObject, value: Any) -> None:
    pattern = data.draw(patterns_of(value))
    raw = data.draw(written(value))
    assert accepts(by_event_pattern({"data": pattern}), row(raw=raw)) is slow_match(pattern, value, {})


@st.composite
def leaves(draw: st.DrawFn) -> Selector:
    fields = {"stream_id": streams, "event_type": types, "data": objects | texts, "version": st.sampled_from([25, 1])}
    return draw(
        st.builds(by_stream, streams | st.just("$all"))
        | st.builds(by_event_type, types)
        | st.builds(stream_prefix, streams)
        | st.builds(by_event_payload, objects)
        | st.builds(by_event_pattern, st.fixed_dictionaries({}, optional=fields))
    )


selectors = st.recursive(
    leaves(),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([all_of(*parts), any_of(*parts)])
    ),
    max_leaves=6,
)
rows = st.builds(
    row, objects | values, stream_id=streams, event_type=types, content_type=st.sampled_from([JSON, JSON, JSON, BINARY])
)


def slow_accepts(selector: Selector, event: EventRow) -> bool:
    stream_id, version, _, _, event_type, content_type, raw, _, _ = event
    data = msgspec.json.decode(raw) if content_type == JSON else raw
    match selector.type:
        case "by_stream":
            return selector.value in ("$all", "$" + stream_id)
        case "by_event_type":
            return bool(selector.value == event_type)
        case "stream_prefix":
            return stream_id.startswith(selector.value)
        case "by_event_payload":
            return content_type == JSON and slow_match(selector.value, data, {})
        case "by_event_pattern":
            fields = {"stream_id": stream_id, "event_type": event_type, "data": data, "version": version}
            return slow_match(selector.value, fields, {})
        case "all_of":
            return all(slow_accepts(part, event) for part in selector.value)
        case _:
            return any(slow_accepts(part, event) for part in selector.value)


@given(selectors, rows)
def test_an_accepted_event_fulfils_every_condition(selector: Selector, event: EventRow) -> None:
    matcher = compile_selector(selector)
    accepted = matcher.accepts(event)
    assert accepted is slow_accepts(selector, event)
    if not accepted:
        assert not matcher.everything
        return
    assert matcher.types is None or event[4] in matcher.types
    assert selector.stream_id in (None, event[0])
    watches = Watches()
    watch = watches.watch(interest_of(matcher))
    watches.feed([event])
    assert watch.take() == ([] if matcher.everything else [event])
