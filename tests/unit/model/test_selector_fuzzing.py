"""Whatever is given as a selector is refused with a known error, or has one canonical form."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gater.model.errors import GaterError
from gater.model.selectors import Selector, by_event_payload, parse_selector, reach

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
anything = st.recursive(
    scalars | st.binary(max_size=3) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)
kinds = st.sampled_from(
    ["by_stream", "by_event_type", "by_event_pattern", "by_event_payload", "stream_prefix", "all_of", "any_of", "x"]
)


@given(anything | kinds, anything)
def test_whatever_comes_in_only_known_errors_come_out(kind: Any, value: Any) -> None:
    for arguments in ((kind, value), ({str(kind): value},), (kind,), ((kind, value),), ("all_of", [(kind, value)])):
        with contextlib.suppress(GaterError):
            parse_selector(*arguments)


@given(kinds, anything)
def test_what_was_parsed_is_canonical(kind: str, value: Any) -> None:
    try:
        selector = parse_selector(kind, value)
    except GaterError:
        return
    assert parse_selector(selector) == parse_selector(selector.to_plain()) == selector
    assert msgspec.msgpack.encode(parse_selector(selector.to_plain())) == msgspec.msgpack.encode(selector)
    reach(selector)


@given(st.dictionaries(st.text(max_size=3), anything, max_size=3))
def test_payload_patterns_are_read_back_from_every_wire(pattern: dict[str, Any]) -> None:
    try:
        selector = by_event_payload(pattern)
    except GaterError:
        return
    for codec in (msgspec.json, msgspec.msgpack):
        assert parse_selector(codec.decode(codec.encode(selector), type=Selector)) == selector
