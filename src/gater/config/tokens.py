"""A token as the settings hold it: what proves it, and what it allows."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal, get_args

import msgspec

from gater.model.errors import MisconfiguredError

Scope = Literal["read", "append", "subscribe", "admin"]
"""What a token can allow; none of them includes another."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_SHA256: Final = re.compile(r"[0-9a-f]{64}").fullmatch
MIN_TOKEN_LENGTH: Final = 8


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bearer token: given itself, or as the SHA-256 of it (64 hexadecimal digits).

    `scopes` is what it allows; `stores` (empty: all) and `stream_prefix` narrow where. `name` is what logs call it.
    """

    scopes: tuple[Scope, ...]
    token: str = ""
    sha256: str = ""
    name: str = ""
    stores: tuple[str, ...] = ()
    stream_prefix: str = ""

    def __post_init__(self) -> None:
        if bool(self.token) == bool(self.sha256):
            raise MisconfiguredError("tokens", "each has either a token or its sha256")
        if self.token and (len(self.token) < MIN_TOKEN_LENGTH or not _is_visible(self.token)):
            raise MisconfiguredError(
                "tokens", f"a token is {MIN_TOKEN_LENGTH} or more visible ASCII characters without spaces"
            )
        if self.sha256 and not _SHA256(self.sha256.lower()):
            raise MisconfiguredError("tokens", "sha256 is 64 hexadecimal digits")
        if not self.scopes:
            raise MisconfiguredError("tokens", f"each has scopes, some of {', '.join(SCOPES)}")

    def __repr__(self) -> str:
        return f"Token(name={self.name!r}, scopes={self.scopes!r})"

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the token."""
        return bytes.fromhex(self.sha256) if self.sha256 else token_digest(self.token)


def token_digest(token: str) -> bytes:
    """The SHA-256 of a token's text."""
    return hashlib.sha256(token.encode()).digest()


def _is_visible(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)
