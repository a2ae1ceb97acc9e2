"""Large messages of clients, taken apart so that no single step takes long.

The frames of a message are found by a walk over its values in Python, which other threads can interrupt; a decoder
would keep the interpreter for as long as the sender likes. Meant for a worker thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from gater.wire.codec import MOST_CLIENT_FRAMES, MalformedError

_FIXED: Final = bytes(
    [1] * 0xA0  # numbers, short maps and lists
    + [1 + length for length in range(32)]  # short texts
    + [1, 0, 1, 1]  # nil, no type, false, true
    + [0] * 6  # bin and ext
    + [5, 9, 2, 3, 5, 9, 2, 3, 5, 9]  # floats and numbers
    + [3, 4, 6, 10, 18]  # fixext
    + [0] * 7  # long texts, lists and maps
    + [1] * 32  # negative numbers
)
"""By first byte, the bytes of a value without its items; 0 where its length follows, or where there is no such type."""
_ITEMS: Final = bytes([0] * 0x80 + [2 * n for n in range(16)] + [*range(16)] + [0] * 0x60)
"""By first byte, the items of a short map or list."""
_LENGTHS: Final = {
    0xC4: (1, 0),
    0xC5: (2, 0),
    0xC6: (4, 0),
    0xC7: (1, 1),
    0xC8: (2, 1),
    0xC9: (4, 1),
    0xD9: (1, 0),
    0xDA: (2, 0),
    0xDB: (4, 0),
}
"""By first byte, the bytes of the length of a text, bin or ext, and of what else stands before its content."""
_LISTS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""By first byte, the bytes of the length of a long list or map, and the values of each of its entries."""


class FrameSpan(NamedTuple):
    """The span of a frame in a message, and the number of its values, those of its lists included."""

    start: int
    end: int
    values: int


def frame_spans(message: bytes, most: int) -> Iterator[FrameSpan]:
    """The frames of a message; raises MalformedError.

    The count of a last frame that holds more than `most` values ends there: it reaches to the end of the message.
    """
    frames, position = list_length(message, 0), list_start(message, 0)
    if frames is None or frames > MOST_CLIENT_FRAMES:
        raise MalformedError(f"a message is a list of at most {MOST_CLIENT_FRAMES} frames")
    for left in range(frames - 1, -1, -1):
        end, values = _walk(message, position, most if not left else len(message))
        if values > most and not left:
            end = len(message)
        yield FrameSpan(position, end, values)
        position = end
    if position != len(message):
        raise MalformedError("something follows the frames of a message")


def first_items(message: bytes, position: int, count: int) -> bytes:
    """The bytes of the first `count` items of the list at a position; raises MalformedError."""
    if (list_length(message, position) or 0) < count:
        raise MalformedError("a frame is a longer list")
    start = end = list_start(message, position)
    for _ in range(count):
        end, _values = _walk(message, end, len(message))
    return message[start:end]


def _walk(message: bytes, position: int, most: int) -> tuple[int, int]:
    """The end of the value at a position, and the values in it; beyond `most`, where the walk stopped."""
    fixed, items, waiting, values = _FIXED, _ITEMS, 1, 0
    try:
        while waiting:
            first = message[position]
            values += 1
            step = fixed[first]
            if step:
                position += step
                waiting += items[first] - 1
            else:
                step, inner = _measure(message, position, first)
                position += step
                waiting += inner - 1
            if values > most:
                return position, values
    except IndexError:
        position = len(message) + 1
    if position > len(message):
        raise MalformedError("a message that ends too early")
    return position, values


def _measure(message: bytes, position: int, first: int) -> tuple[int, int]:
    """The bytes of a value whose length follows its first byte, without its items, and how many these are."""
    if first in _LISTS:
        size, values = _LISTS[first]
        return 1 + size, values * _number(message, position + 1, size)
    if first not in _LENGTHS:
        raise MalformedError("a value of no type")
    size, more = _LENGTHS[first]
    return 1 + size + more + _number(message, position + 1, size), 0


def _number(message: bytes, position: int, size: int) -> int:
    return int.from_bytes(message[position : position + size])


def list_length(raw: bytes | memoryview, position: int = 0) -> int | None:
    """The length that the list at a position says it has; None when there is no list."""
    if position >= len(raw):
        return None
    first = raw[position]
    if first >> 4 == 0x9:
        return first & 0xF
    if first in (0xDC, 0xDD):
        return int.from_bytes(raw[position + 1 : position + _LISTS[first][0] + 1])
    return None


def list_start(raw: bytes | memoryview, position: int = 0) -> int:
    """The start of the first item of the list at a position."""
    return position + 1 + (_LISTS[raw[position]][0] if raw and raw[position] in _LISTS else 0)
