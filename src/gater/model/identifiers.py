"""The rules for names of streams, event types and stores."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from gater.model.errors import InvalidArgumentError

MAX_ID_BYTES: Final = 255
"""UTF-8 bytes of a stream id, an event type, and most other names."""
MAX_TOPIC_BYTES: Final = 1_024
"""UTF-8 bytes of a topic; topics hold names, such as `event_stream:{stream_id}`, and so may be longer than they."""

_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+").fullmatch
_STORE_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}").fullmatch


def check_name(value: Any, argument: str, most: int = MAX_ID_BYTES) -> str:
    """The value, if it is 1 to `most` bytes of UTF-8 without control characters; else InvalidArgumentError."""
    if not isinstance(value, str):
        raise InvalidArgumentError(argument, f"text, not {type(value).__name__}")
    if not _NAME(value):
        raise InvalidArgumentError(argument, f"1 to {most} bytes of UTF-8 without control characters")
    if len(value) > 63 and len(value.encode()) > most:
        raise InvalidArgumentError(argument, f"at most {most} bytes of UTF-8")
    # What only derives from str (an enumeration of event types, say) would not travel.
    return value if type(value) is str else str.__str__(value)


def check_stream_id(value: Any) -> str:
    """The stream id, if a user may write to it: a name that does not begin with `$`, which is the system's."""
    return _known_stream(value) if type(value) is str else _check_stream(value)


def _check_stream(value: Any) -> str:
    name = check_name(value, "stream_id")
    if name[0] == "$":
        raise InvalidArgumentError("stream_id", "a leading $ is reserved for the system")
    return name


def check_event_type(value: Any) -> str:
    """The event type, if it is a valid name."""
    return _known_type(value) if type(value) is str else check_name(value, "event_type")


# The same few names come again and again.
_known_stream: Final = lru_cache(16_384)(_check_stream)
_known_type: Final = lru_cache(4_096)(lambda value: check_name(value, "event_type"))


def check_store_id(value: Any) -> str:
    """The store id, if it is 1 to 64 letters, digits, `_`, `.` or `-`, beginning with a letter, digit or `_`."""
    if not isinstance(value, str) or not _STORE_ID(value):
        raise InvalidArgumentError("store", f"1 to 64 letters, digits, _ . or -, not {value!r}")
    return str.__str__(value)
