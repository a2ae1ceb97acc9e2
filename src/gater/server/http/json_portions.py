"""Long JSON lists, cut into portions that are each decoded in a moment.

A decoder keeps the interpreter until it has decoded everything. The cuts are found by a walk over brackets and texts
in Python, which other threads can interrupt. Meant for a worker thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gater.model.json_rules import unescaped
from gater.model.limits import check_number

PORTION_ITEMS: Final = 500
PORTION_BYTES: Final = 64 << 10

_QUOTE: Final = ord('"')
_OPENING: Final = frozenset(b"[{")
_FLAT: Final = rb'[^\[\]{}"]*+'
_TEXT: Final = rb'"[^"]*+"'
_TOKENS: Final = re.compile(rb"%b(%b|[\[{]%b(?:%b%b){0,64}+[\]}]|[\[\]{}])" % (_FLAT, _TEXT, _FLAT, _TEXT, _FLAT))
"""The next part: a text, a list or object without others in it (and with few texts, to be quick), a bracket."""


def list_portions(raw: bytes, what: str, most: int) -> list[slice]:
    """The spans of the items of a list of objects, some at a time, in order; for other values, the span of the whole.

    The JSON was found sound before, and nothing stands before or after it. Raises RequestTooLargeError when it holds
    more than `most` objects.
    """
    if not raw.startswith(b"["):
        return [slice(0, len(raw))]
    portions = []
    start = items = 0
    for number, end in enumerate(_item_ends(b"".join(unescaped(raw))), 1):
        check_number(what, number, most)
        items += 1
        if items == PORTION_ITEMS or end - start > PORTION_BYTES:
            portions.append(slice(start + 1, end))
            items, start = 0, raw.find(b",", end)
            if start < 0:
                return portions
    return [*portions, slice(start + 1, len(raw) - 1)]


def _item_ends(marks: bytes) -> Iterator[int]:
    """The ends of the lists and objects in a list."""
    level = 0
    for match in _TOKENS.finditer(marks, 1):
        start, end = match.span(1)
        first = marks[start]
        if first == _QUOTE:
            continue
        if end - start == 1:
            if first in _OPENING:
                level += 1
                continue
            level -= 1
        if not level:
            yield end
