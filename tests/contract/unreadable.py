"""JSON that some reader cannot decode, and JSON that only looks so."""

from __future__ import annotations

from typing import Final

UNREADABLE: Final = {
    "a number beyond the range of floats": b'{"x":1e999}',
    "one with a long exponent": b'{"x":-1E+0000400}',
    "one with many digits before the point": b'{"x":' + b"9" * 400 + b".5}",
    "an integer of 5,000 digits": b'{"x":' + b"7" * 5_000 + b"}",
    "one after much text": b'{"text":"' + b"a" * 2_000 + b'","x":[1e999]}',
    "a lone surrogate": b'{"x":"\\ud800"}',
    "not a number": b'{"x":NaN}',
    "no UTF-8": b'{"x":"\xff"}',
    "a surrogate as UTF-8": b'{"x":"\xed\xa0\x80"}',
    "too many levels": b'{"x":' + b"[" * 600 + b"]" * 600 + b"}",
    "far too many levels": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}

READABLE: Final = {
    "the largest float": b'{"x":1.7976931348623157e308}',
    "a float that is zero": b'{"x":1e-999}',
    "400 levels": b'{"x":' + b"[" * 399 + b"]" * 399 + b"}",
    "brackets in text": b'{"x":"\\\\' + b"[{" * 1_000 + b'\\"","y":"\\\\"}',
    "text like a number": b'{"x":"' + b"1e999 " * 200 + b'"}',
    "10,000 small arrays": b'{"x":[' + b"[]," * 9_999 + b"[]]}",
}
