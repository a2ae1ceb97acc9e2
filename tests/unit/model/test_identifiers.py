"""What streams, event types and stores may be called."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gater.model.errors import InvalidArgumentError
from gater.model.identifiers import MAX_ID_BYTES, check_event_type, check_name, check_store_id, check_stream_id

names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=63)


@given(names)
def test_text_without_control_characters_is_a_name(text: str) -> None:
    assert check_name(text, "x") == check_event_type(text) == text


@given(names, st.characters(categories=("Cc", "Cs")), st.integers(0, 63))
def test_one_control_character_anywhere_is_one_too_many(text: str, control: str, place: int) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_name(text[:place] + control + text[place:], "x")
    assert caught.value.argument == "x"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=50, max_size=300))
def test_the_length_is_counted_in_bytes(text: str) -> None:
    if len(text.encode()) <= MAX_ID_BYTES:
        assert check_name(text, "x") == text
    else:
        with pytest.raises(InvalidArgumentError):
            check_name(text, "x")


@pytest.mark.parametrize("character", ["x", "é", "日", "\U0001f600"])
def test_exactly_255_bytes_pass(character: str) -> None:
    width = len(character.encode())
    longest = character * (255 // width) + "x" * (255 % width)
    assert check_name(longest, "x") == longest
    with pytest.raises(InvalidArgumentError):
        check_name(longest + "x", "x")


def test_names_are_compared_as_they_are_not_normalised() -> None:
    composed, decomposed = "é", unicodedata.normalize("NFD", "é")
    assert check_name(composed, "x") != check_name(decomposed, "x")


@given(names)
def test_a_leading_dollar_is_reserved_in_stream_ids(text: str) -> None:
    assume(len(text.encode()) < MAX_ID_BYTES)
    with pytest.raises(InvalidArgumentError) as caught:
        check_stream_id("$" + text)
    assert caught.value.argument == "stream_id"
    assert check_event_type("$" + text) == "$" + text


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["list"], True])
def test_names_are_text(value: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        check_name(value, "x")
    with pytest.raises(InvalidArgumentError):
        check_store_id(value)


@pytest.mark.parametrize("value", ["a", "A", "_", "0", "a.b-c_D9", "x" * 64])
def test_store_ids(value: str) -> None:
    assert check_store_id(value) == value


@pytest.mark.parametrize("value", ["", ".", "..", "-a", ".a", "a/b", "a b", "é", "x" * 65, "a\n", "a\x00", "٣"])
def test_what_cannot_be_a_store_id(value: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_store_id(value)
    assert caught.value.argument == "store"


def test_what_derives_from_text_becomes_text() -> None:
    class Named(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "something else"

    assert type(check_name(Named("a"), "x")) is str
    assert check_name(Named("a"), "x") == "a"
    assert check_store_id(Named("a")) == "a"
    assert type(check_store_id(Named("a"))) is str
