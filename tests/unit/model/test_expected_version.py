"""The rule of optimistic concurrency, over every state of a stream."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.errors import InvalidArgumentError
from gater.model.expected_version import (
    ANY,
    LARGEST_VERSION,
    NO_STREAM,
    STREAM_EXISTS,
    accepts,
    parse_expected_version,
)


@pytest.mark.parametrize(
    ("expected", "unknown", "live", "deleted"),
    [
        (ANY, True, True, True),
        (NO_STREAM, True, False, True),
        (STREAM_EXISTS, False, True, False),
        (4, False, True, True),
        (3, False, False, False),
        (5, False, False, False),
        (0, False, False, False),
    ],
)
def test_which_states_pass(expected: int, unknown: bool, live: bool, deleted: bool) -> None:
    assert accepts(expected, -1, False) is unknown
    assert accepts(expected, 4, False) is live
    assert accepts(expected, 4, True) is deleted


@given(st.integers(0, LARGEST_VERSION), st.integers(0, LARGEST_VERSION), st.booleans())
def test_an_exact_version_passes_only_at_that_version(expected: int, version: int, deleted: bool) -> None:
    assert accepts(expected, version, deleted) is (expected == version)


@given(st.integers(-1, LARGEST_VERSION) | st.sampled_from([ANY, STREAM_EXISTS]))
def test_versions_and_codes_stand_for_themselves(value: int) -> None:
    assert parse_expected_version(value) == value


@pytest.mark.parametrize(("word", "code"), [("any", ANY), ("no_stream", NO_STREAM), ("stream_exists", STREAM_EXISTS)])
def test_words_stand_for_codes(word: str, code: int) -> None:
    assert parse_expected_version(word) == code


@given(
    st.integers(max_value=-5)
    | st.just(-3)
    | st.integers(min_value=LARGEST_VERSION + 1)
    | st.booleans()
    | st.floats()
    | st.none()
    | st.text().filter(lambda text: text not in ("any", "no_stream", "stream_exists"))
    | st.lists(st.integers())
)
def test_everything_else_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_expected_version(value)
    assert caught.value.argument == "expected_version"
