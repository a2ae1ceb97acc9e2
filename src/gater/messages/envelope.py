"""The envelope in which a system message travels, closed and opened.

    ("secure_message", (key_id, sent, nonce, digest), original)
    ("unsecured_message", original)

`original` is the canonical msgpack of (tag, fields): maps in the order of their names. It travels as these bytes, and
it is these bytes that are signed: nothing has to be encoded again to check a signature. After a journey the tuples may
be lists.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from gater.messages.records import RECORDS, Record
from gater.messages.replay import ReplayGuard
from gater.messages.signing import Keyring, Signature
from gater.model.errors import (
    InvalidFormatError,
    NoSecretConfiguredError,
    RequestTooLargeError,
    UnsecuredMessageError,
    ValidationError,
)

SECURE: Final = "secure_message"
UNSECURED: Final = "unsecured_message"

Signed: TypeAlias = tuple[Literal["secure_message"], Signature, bytes]
Unsigned: TypeAlias = tuple[Literal["unsecured_message"], bytes]
Envelope: TypeAlias = Signed | Unsigned

MOST_BYTES: Final = 1 << 20
"""The largest message, as canonical bytes."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(tuple[str, dict[str, Any]])


def seal(record: Record, keyring: Keyring, now: float, nonce: bytes) -> Envelope:
    """The envelope of a record: signed when there is a current key, at `now` in seconds since 1970.

    The nonce is 16 random bytes, never the same twice. Raises RequestTooLargeError for a record that is too large.
    """
    original = canonical(record)
    if len(original) > MOST_BYTES:
        raise RequestTooLargeError(len(original), MOST_BYTES)
    if not keyring.can_sign:
        return (UNSECURED, original)
    return (SECURE, keyring.sign(original, milliseconds(now), nonce), original)


def open_envelope(envelope: Any, now: float, keyring: Keyring, guard: ReplayGuard) -> Record:
    """The record in an envelope, if this receiver takes it; else a MessageError, for whatever was given.

    With keys, only messages signed with one of them pass, each once and within the window of the guard. Without keys,
    only unsigned ones pass: nobody vouches for them.
    """
    if not isinstance(envelope, list | tuple):
        raise InvalidFormatError("an envelope is a list")
    match envelope:
        case [str(kind), signature, bytes(original)] if kind == SECURE:
            _check_signed(signature, original, now, keyring, guard)
        case [str(kind), bytes(original)] if kind == UNSECURED:
            if keyring:
                raise UnsecuredMessageError
        case _:
            raise InvalidFormatError("neither a signed nor an unsigned envelope")
    return read_canonical(original)


def _check_signed(signature: Any, original: bytes, now: float, keyring: Keyring, guard: ReplayGuard) -> None:
    if not keyring:
        raise NoSecretConfiguredError
    signed = Signature.read(signature)
    keyring.check(signed, original)
    guard.admit(signed.nonce, signed.sent, milliseconds(now))


def canonical(record: Record) -> bytes:
    """The record as bytes, the same in every process."""
    return _encoder.encode((record.tag, record.to_dict()))


def read_canonical(original: bytes) -> Record:
    """The record of which these are the canonical bytes; else InvalidFormatError."""
    if len(original) > MOST_BYTES:
        raise InvalidFormatError(f"larger than {MOST_BYTES} bytes")
    try:
        tag, values = _decoder.decode(original)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidFormatError("not msgpack of a tag and its fields") from None
    if tag not in RECORDS:
        raise InvalidFormatError("an unknown tag")
    try:
        return RECORDS[tag].from_dict(values)
    except ValidationError as error:
        raise InvalidFormatError(f"{error.field}: {error.reason}") from error


def milliseconds(seconds: float) -> int:
    """A time in seconds as whole milliseconds."""
    return int(seconds * 1_000)
