"""Rules for JSON that is stored: sound, and decodable by every reader for ever."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from gater.model.errors import ValidationError

MOST_NESTING: Final = 500
"""Levels of arrays and objects: decoders recurse, and share the depth of the stack with those who call them."""

SHALLOW_BYTES: Final = 2 * MOST_NESTING
"""Bytes of JSON that cannot have more levels."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of decoding bytes that are no JSON, or none that can be decoded."""

_SMALL: Final = 512
"""Bytes up to which decoding costs less than to find out whether it is needed."""
_BLOCK: Final = 256
_PART: Final = 256 << 10
"""Bytes of a long text that are looked at in one step, which other threads wait for."""
_LONGEST_RUN: Final = b"0" * 200
"""Numbers with fewer digits in a row, and an exponent of two at the most, are within the range of all decoders."""
_SHORTEST_LONG: Final = b"0" * 19
"""As many digits as the largest whole number of 64 bits has."""

_decode: Final[Callable[[bytes], Any]] = msgspec.json.Decoder().decode
_utf8: Final = codecs.getincrementaldecoder("utf-8")
_scan: Final = msgspec.json.Decoder(msgspec.Raw).decode
_NUMBERS: Final = bytes([ord("0") if chr(c) in "0123456789" else ord("e") if chr(c) in "eE" else c for c in range(256)])
"""Every digit as 0, every e as a small one."""
_SEPARATED: Final = bytes([c if chr(c) in "0123456789.eE+-" else ord(",") for c in range(256)])
"""Every byte as it is if it may be part of a number, else as a comma."""
_NO_BRACKETS: Final = bytes(c for c in range(256) if chr(c) not in "[]{}")
_NO_MARKS: Final = bytes(c for c in range(256) if chr(c) not in '[]{}"')
_NO_STARTS: Final = bytes(c for c in range(256) if chr(c) not in '[{,:"')
_ROUND: Final = bytes.maketrans(b"{}", b"[]")


def check_json(raw: bytes, field: str) -> None:
    """Raise ValidationError naming the field for what is no JSON, or cannot be decoded by every reader."""
    try:
        if len(raw) <= _SMALL:
            _decode(raw)
            return
        _scan(raw)
        if not raw.isascii():
            _check_text(raw)  # the scanner does not look at it
        _check_numbers(raw)
    except UNREADABLE as error:
        raise ValidationError(field, f"not JSON: {error}") from None
    check_nesting(raw, field)


def check_nesting(raw: bytes, field: str) -> None:
    """Raise ValidationError naming the field for JSON with more levels than readers can be expected to decode."""
    if len(raw) > SHALLOW_BYTES and _has_many_brackets(raw) and _is_too_deep(raw):
        raise ValidationError(field, f"JSON of at most {MOST_NESTING} levels")


def decode_json(raw: bytes, field: str) -> Any:
    """The value; ValidationError naming the field when it cannot be decoded, as an event of an old file may be."""
    try:
        return _decode(raw)
    except UNREADABLE as error:
        raise ValidationError(field, f"not JSON that can be decoded: {error}") from None


def on_one_line(raw: bytes) -> bytes:
    """The same JSON on one line: line breaks stand only between its values."""
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    try:
        return msgspec.json.format(raw, indent=-1)
    except UNREADABLE:  # what an old file holds, or nested too deep
        return raw.replace(b"\r", b" ").replace(b"\n", b" ")


def may_hold_long_numbers(raw: bytes) -> bool:
    """Whether JSON may hold a whole number that does not fit into 64 bits; text may look like one."""
    return _SHORTEST_LONG in raw.translate(_NUMBERS)


def count_values(raw: bytes) -> int:
    """The most values that sound JSON can hold, those of its lists and objects and their names included."""
    return 1 + sum(map(len, _outside_of_text(raw, _NO_STARTS)))


def unescaped(raw: bytes) -> Iterator[bytes]:
    """Sound JSON in parts, together as long as before, with no quotation marks but those around texts."""
    start = 0
    while start < len(raw):
        part = raw[start : start + _PART]
        # No escape is cut in two: the number of backslashes at the end of a part is even.
        if (len(part) - len(part.rstrip(b"\\"))) % 2:
            part = raw[start : start + len(part) + 1]
        yield part.replace(rb"\\", b"__").replace(rb"\"", b"__") if b"\\" in part else part
        start += len(part)


def _check_text(raw: bytes) -> None:
    """UnicodeDecodeError for bytes that are not UTF-8; part by part."""
    decode = _utf8().decode
    for start in range(0, len(raw), _PART):
        decode(raw[start : start + _PART])
    decode(b"", True)


def _check_numbers(raw: bytes) -> None:
    """DecodeError for a number of sound JSON that decoders refuse: only those that may be so large are decoded."""
    if not any(map(_may_be_out_of_range, _overlapping(raw))):
        return  # text may look like such a number, too
    before = b""
    for part in _outside_of_text(raw, b""):
        numbers = (before + part).translate(_SEPARATED).split(b",")
        before = numbers.pop()  # it may go on in the next part
        _decode_large(numbers)
    _decode_large([before])


def _decode_large(numbers: list[bytes]) -> None:
    large = [number for number in numbers if len(number) > 4 and _may_be_out_of_range(number)]
    if large:
        _decode(b"[%b]" % b",".join(large))


def _overlapping(raw: bytes) -> Iterator[bytes]:
    """Parts of the bytes, each of which begins with the end of the one before."""
    for start in range(0, len(raw), _PART):
        yield raw[max(start - len(_LONGEST_RUN), 0) : start + _PART]


def _may_be_out_of_range(raw: bytes) -> bool:
    """Whether there may be a number so large that decoders refuse it."""
    shape = raw.translate(_NUMBERS)
    return b"0e000" in shape or b"0e+000" in shape or _LONGEST_RUN in shape


def _has_many_brackets(raw: bytes) -> bool:
    brackets = 0
    for start in range(0, len(raw), _PART):
        brackets += len(raw[start : start + _PART].translate(None, _NO_BRACKETS))
        if brackets > 2 * MOST_NESTING:
            return True
    return False


def _is_too_deep(raw: bytes) -> bool:
    brackets = b"".join(_outside_of_text(raw, _NO_MARKS)).translate(_ROUND)
    level = 0
    for start in range(0, len(brackets), _BLOCK):
        block = brackets[start : start + _BLOCK]
        opening = block.count(b"[")
        if level + opening > MOST_NESTING:
            inner = level
            for bracket in block:
                inner += 1 if bracket == 91 else -1
                if inner > MOST_NESTING:
                    return True
        level += 2 * opening - len(block)
    return False


def _outside_of_text(raw: bytes, unwanted: bytes) -> Iterator[bytes]:
    """JSON in parts, without the unwanted bytes and without its texts."""
    inside = 0
    for part in unescaped(raw):
        pieces = part.translate(None, unwanted).split(b'"')
        yield b"".join(pieces[inside::2])
        inside = (inside + len(pieces) - 1) % 2
