"""Payloads of events as patterns look into them: searched before they are decoded, and decoded once.

Most events that are looked at do not match, so a payload is decoded only when every text of a pattern is in its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gater.model.json_rules import UNREADABLE
from gater.model.selectors import is_literal

MOST_NEEDLES: Final = 16
"""Texts of one pattern that a payload is searched for."""
MOST_SEARCHES: Final = 2
"""Patterns of one selector for which a payload is searched before it is decoded for the others."""

_decode: Final = msgspec.json.Decoder().decode


class Payloads:
    """The payloads that a single pattern looks at."""

    def may_hold(self, raw: bytes, texts: tuple[bytes, ...]) -> bool:
        """Whether each text may be in the payload, however it is written."""
        return _may_hold(raw, texts)

    def decode(self, raw: bytes) -> Any:
        """The value of a payload; raises one of UNREADABLE."""
        return _decode(raw)


class SharedPayloads(Payloads):
    """The payloads of one event, for all the patterns of a selector, until they are cleared."""

    def __init__(self) -> None:
        self.used = False
        """Whether there is something to clear."""
        self._values: dict[int, Any] = {}
        """By the identity of the bytes, which the event keeps; an error where they cannot be read."""
        self._searches = 0

    def may_hold(self, raw: bytes, texts: tuple[bytes, ...]) -> bool:
        """As above; always, once it is cheaper to look."""
        if id(raw) in self._values or self._searches >= MOST_SEARCHES:
            return True
        self.used = True
        self._searches += 1
        return _may_hold(raw, texts)

    def decode(self, raw: bytes) -> Any:
        """As above, from the second time on what was decoded the first time."""
        value = self._values.get(id(raw), self)
        if value is self:
            self.used = True
            try:
                value = _decode(raw)
            except UNREADABLE as error:
                value = error
            self._values[id(raw)] = value
        if isinstance(value, Exception):
            raise value
        return value

    def clear(self) -> None:
        """Forget the event."""
        self.used = False
        self._values.clear()
        self._searches = 0


def needles(pattern: Any) -> tuple[bytes, ...]:
    """Texts in every JSON document that matches and holds no backslash; values before keys, long ones first."""
    found = sorted(set(_find_needles(pattern)), key=lambda each: (each[0], -len(each[1]), each[1]))
    return tuple(text for _, text in found[:MOST_NEEDLES])


def _find_needles(pattern: Any) -> Iterator[tuple[bool, bytes]]:
    """Whether it is a key, and its bytes, for each part of a pattern that can be written in one way only."""
    if isinstance(pattern, dict):
        for key, value in pattern.items():
            yield True, f'"{key}"'.encode()
            yield from _find_needles(value)
    elif isinstance(pattern, list):
        for item in pattern:
            yield from _find_needles(item)
    elif is_literal(pattern):
        yield False, f'"{pattern}"'.encode()
    elif pattern is None or type(pattern) in (bool, int):
        yield False, msgspec.json.encode(pattern)


def _may_hold(raw: bytes, needles: tuple[bytes, ...]) -> bool:
    for needle in needles:
        if needle not in raw:
            # A backslash may be the beginning of the same text, written in another way.
            return b"\\" in raw
    return True
