"""Cutting a long input into requests of a bounded size."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final, TypeVar

from gater.model.errors import InvalidArgumentError, RequestTooLargeError

MOST_EVENTS: Final = 500
"""Events in one request."""
MOST_BYTES: Final = 1 << 20
"""Bytes of input in one request; a single larger line goes alone."""
LONGEST_LINE: Final = 32 << 20
"""Bytes; an input without line ends must not fill the memory."""

Line = tuple[int, bytes]
"""A line's number, counted from 1, and its bytes without the line end."""
Item = TypeVar("Item")


async def line_batches(descriptor: int) -> AsyncIterator[list[Line]]:
    """The lines of a file, pipe or terminal that are not blank, in batches.

    A batch is what can be read at the moment: slow input is not held back until a batch is full. Raises
    RequestTooLargeError for a line longer than LONGEST_LINE.
    """
    number, rest = 0, b""
    async for chunk in _chunks(descriptor):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise RequestTooLargeError(len(rest), LONGEST_LINE, line=number + len(whole) + 1)
        for batch in cut(_numbered(whole, number)):
            yield batch
        number += len(whole)
    if rest.strip():
        yield [(number + 1, rest)]


def cut(lines: Iterable[Line], most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> Iterator[list[Line]]:
    """The lines in batches of at most `most_events`, and of at most `most_bytes` when more than one."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == most_events or size + len(line[1]) > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line[1])
    if batch:
        yield batch


def _numbered(lines: list[bytes], before: int) -> Iterator[Line]:
    return ((before + index, line) for index, line in enumerate(lines, 1) if line.strip())


async def _chunks(descriptor: int) -> AsyncIterator[bytes]:
    """Read all chunks of a descriptor, each as soon as it is there."""
    waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    while True:
        waits = waits and await _readable(descriptor)
        try:
            chunk = os.read(descriptor, MOST_BYTES)
        except OSError as error:
            raise InvalidArgumentError("input", error.strerror or str(error)) from None
        if not chunk:
            return
        yield chunk


async def _readable(descriptor: int) -> bool:
    """Wait until something can be read; False for what cannot be waited for, as /dev/null."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:
        return False
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return True
