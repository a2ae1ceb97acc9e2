"""The rule of optimistic concurrency: which versions of a stream an append accepts."""

from __future__ import annotations

from typing import Any, Final

from gater.model.errors import InvalidArgumentError

NO_STREAM: Final = -1
"""The stream has no events (or was deleted, softly)."""
ANY: Final = -2
"""Whatever the version is."""
STREAM_EXISTS: Final = -4
"""The stream has been written to, and is not deleted."""

LARGEST_VERSION: Final = (1 << 63) - 1
"""Versions and positions are whole numbers of 63 bits."""

WORDS: Final = {"no_stream": NO_STREAM, "any": ANY, "stream_exists": STREAM_EXISTS}


def parse_expected_version(value: Any) -> int:
    """The code of an expected version given as a version, a code, or one of the words of `WORDS`.

    Raises InvalidArgumentError for anything else (booleans, other negatives, other words).
    """
    if type(value) is int and (NO_STREAM <= value <= LARGEST_VERSION or value in (ANY, STREAM_EXISTS)):
        return value
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    raise InvalidArgumentError(
        "expected_version", f"a version (0 or more), NO_STREAM, ANY or STREAM_EXISTS, not {value!r}"
    )


def accepts(expected: int, version: int, deleted: bool) -> bool:
    """Whether a stream whose last version is `version` (-1: never written) passes `expected`.

    A softly deleted stream passes NO_STREAM, ANY and its last version: its numbering goes on where it was.
    """
    if expected == ANY:
        return True
    if expected == NO_STREAM:
        return version == NO_STREAM or deleted
    if expected == STREAM_EXISTS:
        return version > NO_STREAM and not deleted
    return expected == version
