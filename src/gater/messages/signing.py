"""Signatures of system messages: HMAC-SHA256 with keys that can be changed while old ones still count."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self

import msgspec

from gater.model.errors import InvalidSignatureError, MisconfiguredError, NoSecretError

NONCE_BYTES: Final = 16
_KEY_SETTING: Final = "secret_key_base"
_DOMAIN: Final = "gater system message 1"
"""Signed with every message, so that no signature made for something else with the same key can pass."""
_LATEST: Final = 1 << 53
"""Later than any time in milliseconds that a clock could show."""

_encoder = msgspec.msgpack.Encoder()


class Signature(NamedTuple):
    """The signature of a message, as it travels beside it."""

    key_id: str
    sent: int
    """When it was signed: milliseconds since 1970, UTC."""
    nonce: bytes
    """Random: no two messages have the same."""
    digest: bytes

    @classmethod
    def read(cls, value: Any) -> Self:
        """The signature that travelled as this value; InvalidSignatureError when it is none."""
        if not isinstance(value, list | tuple) or len(value) != len(cls._fields):
            raise InvalidSignatureError
        key_id, sent, nonce, digest = value
        if type(key_id) is not str or type(sent) is not int or not 0 <= sent < _LATEST:
            raise InvalidSignatureError
        if type(nonce) is not bytes or len(nonce) != NONCE_BYTES or type(digest) is not bytes:
            raise InvalidSignatureError
        return cls(key_id, sent, nonce, digest)


class Keyring:
    """The key that messages are signed with, and those that are accepted besides; without keys it is false.

    To change the key of a cluster: first give every node the new key among the previous ones, so that all accept it;
    then make it the current one, with the old key among the previous ones; then leave the old one out.
    """

    __slots__ = ("_by_id", "_current", "_previous")

    def __init__(self, current: str | bytes | None = None, previous: Iterable[str | bytes] = ()) -> None:
        if isinstance(previous, str | bytes):
            raise MisconfiguredError(_KEY_SETTING, "the previous keys are a list")
        self._current = None if current is None else _key(current)
        self._previous = tuple(_key(key) for key in previous)
        own = () if self._current is None else (self._current,)
        self._by_id = {key_id(key): key for key in (*self._previous, *own)}

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def __repr__(self) -> str:
        # Keys do not belong into a log or a traceback; their ids are public.
        return f"<Keyring {' '.join(self._by_id) or 'without keys'}>"

    @property
    def can_sign(self) -> bool:
        """Whether there is a current key."""
        return self._current is not None

    def rotated(self, key: str | bytes, keep: int = 1) -> Keyring:
        """The keyring that signs with this key, and still accepts the current one and older ones, `keep` in all."""
        own = () if self._current is None else (self._current,)
        return Keyring(key, (*own, *self._previous)[:keep])

    def sign(self, original: bytes, sent: int, nonce: bytes) -> Signature:
        """The signature of a message with the current key; NoSecretError when there is none."""
        if self._current is None:
            raise NoSecretError
        name = key_id(self._current)
        return Signature(name, sent, nonce, _digest(self._current, name, sent, nonce, original))

    def check(self, signature: Signature, original: bytes) -> None:
        """Raises InvalidSignatureError unless one of the keys made this signature of this message."""
        key = self._by_id.get(signature.key_id)
        if key is None:
            raise InvalidSignatureError
        digest = _digest(key, signature.key_id, signature.sent, signature.nonce, original)
        if not hmac.compare_digest(digest, signature.digest):
            raise InvalidSignatureError


def key_id(key: bytes) -> str:
    """The public name of a key: eight hexadecimal digits that follow from it."""
    return hashlib.sha256(b"id" + key).hexdigest()[:8]


def _key(given: Any) -> bytes:
    if not isinstance(given, str | bytes) or not given:
        raise MisconfiguredError(_KEY_SETTING, "a key is text or bytes, and not empty")
    return given.encode(errors="surrogateescape") if isinstance(given, str) else bytes(given)


def _digest(key: bytes, name: str, sent: int, nonce: bytes, original: bytes) -> bytes:
    signed = _encoder.encode((_DOMAIN, name, sent, nonce, original))
    return hmac.digest(key, signed, "sha256")
