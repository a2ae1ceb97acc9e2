"""Cutting a long input into requests."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.cli import batches
from gater.cli.batches import Line, cut, line_batches
from gater.model.errors import InvalidArgumentError, RequestTooLargeError


@given(st.lists(st.binary(max_size=20), max_size=40), st.integers(1, 10), st.integers(1, 50))
def test_batches_hold_every_line_in_order_within_the_limits(
    contents: list[bytes], most_events: int, most_bytes: int
) -> None:
    lines: list[Line] = list(enumerate(contents, 1))
    made = list(cut(lines, most_events, most_bytes))
    assert [line for batch in made for line in batch] == lines
    for batch in made:
        assert 1 <= len(batch) <= most_events
        assert len(batch) == 1 or sum(len(line) for _, line in batch) <= most_bytes


async def read_all(path: Path) -> list[Line]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return [line async for batch in line_batches(descriptor) for line in batch]
    finally:
        os.close(descriptor)


async def test_lines_of_a_file_keep_their_numbers_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\n\n  \nfour\nfive without an end")
    assert await read_all(path) == [(1, b"one"), (4, b"four"), (5, b"five without an end")]


async def test_lines_longer_than_what_is_read_at_once_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    contents = [b"x" * 3_000_000, b"y", b"z" * 1_500_000]
    path.write_bytes(b"\n".join(contents))
    assert await read_all(path) == list(enumerate(contents, 1))


async def test_what_cannot_be_waited_for_is_read() -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        assert [batch async for batch in line_batches(descriptor)] == []
    finally:
        os.close(descriptor)


async def test_an_input_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(InvalidArgumentError) as caught:
            _ = [batch async for batch in line_batches(descriptor)]
        assert caught.value.argument == "input"
    finally:
        os.close(descriptor)


async def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.touch()
    assert await read_all(path) == []


async def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LONGEST_LINE", 1_000)
    path = tmp_path / "lines"
    path.write_bytes(b"first\n" + b"x" * 2_000)
    with pytest.raises(RequestTooLargeError) as caught:
        await read_all(path)
    assert caught.value.details["line"] == 2


async def test_slow_input_is_passed_on_as_it_comes() -> None:
    reading, writing = os.pipe()
    try:
        made = line_batches(reading)
        os.write(writing, b"one\ntwo\nthr")
        assert await anext(made) == [(1, b"one"), (2, b"two")]
        waiting = asyncio.ensure_future(anext(made))
        os.write(writing, b"ee\n")
        assert await waiting == [(3, b"three")]
    finally:
        os.close(writing)
    assert [batch async for batch in made] == []
    os.close(reading)
