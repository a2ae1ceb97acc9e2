"""Authentication of callers by bearer tokens, the same for HTTP and RPC."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from gater.api.origin import EVERY_SCOPE, Origin
from gater.config.settings import Settings
from gater.config.tokens import Token, token_digest
from gater.model.errors import PermissionDeniedError, UnauthenticatedError

OWN_SITES: Final = ("same-origin", "none")
"""What browsers say in `Sec-Fetch-Site` of a page of the node itself, and of an address that their user has typed."""
MOST_SHOWN: Final = 200
"""Characters of a page's address that an error shows."""

ANONYMOUS: Final = Origin("anonymous", EVERY_SCOPE)
"""A caller without a token, where that is allowed; its address comes with the call."""


class Authenticator:
    """Finds the origin of a request by its headers."""

    def __init__(self, tokens: Iterable[Token], *, anonymous: bool, local_names_only: bool = False) -> None:
        """With `local_names_only`, anonymous callers must address the node by a loopback name or an IP address."""
        self._known = [(token.digest, _origin(token, number)) for number, token in enumerate(tokens, 1)]
        self._anonymous = anonymous
        self._local_names_only = local_names_only

    def authenticate(self, headers: Mapping[str, str], address: str | None = None) -> Origin:
        """The sender of these headers (names in lower case, or looked up without regard to case) at an address.

        Raises UnauthenticatedError for a missing or unknown token. An anonymous request that a browser makes for a
        page of another site or another port, of whatever method, is refused with PermissionDeniedError: it would borrow
        the reach of its user.
        """
        given = headers.get("authorization")
        if given is not None:
            return self._bearer(given, address)
        if not self._anonymous:
            raise UnauthenticatedError(message="A token is needed: Authorization: Bearer TOKEN", reason="no_token")
        self._refuse_foreign_pages(headers)
        return _at(ANONYMOUS, address)

    def _bearer(self, given: str, address: str | None) -> Origin:
        scheme, _, token = given.strip().partition(" ")
        if scheme.lower() != "bearer":
            message = "The Authorization header is not of the form: Bearer TOKEN"
            raise UnauthenticatedError(message=message, reason="malformed_token")
        digest = token_digest(token.strip())
        found = None
        for known, origin in self._known:
            if hmac.compare_digest(known, digest):
                found = origin
        if found is None:
            raise UnauthenticatedError(message="The token is not known here", reason="unknown_token")
        return _at(found, address)

    def _refuse_foreign_pages(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if (page := _foreign_page(headers, host)) is not None:
            message = f"A page of {page} may not call this node without a token"
            raise PermissionDeniedError(message=message, reason="foreign_page")
        if self._local_names_only and host and not _is_local_name(host):
            message = f"Anonymous calls must address this node as localhost or by its IP address, not as {host}"
            raise PermissionDeniedError(message=message, reason="foreign_name")


def authenticator(settings: Settings) -> Authenticator:
    """The authenticator that the settings describe."""
    return Authenticator(
        settings.tokens,
        anonymous=settings.anonymous,
        local_names_only=settings.allow_anonymous is None and settings.loopback,
    )


def _origin(token: Token, number: int) -> Origin:
    return Origin(
        token.name or f"token {number}", frozenset(token.scopes), frozenset(token.stores), token.stream_prefix
    )


def _at(origin: Origin, address: str | None) -> Origin:
    return Origin(origin.name, origin.scopes, origin.stores, origin.stream_prefix, address)


def _foreign_page(headers: Mapping[str, str], host: str) -> str | None:
    """Which page of another origin a browser makes this request for; None when it does not say so.

    Browsers send `Origin` with what changes something. With a GET they tell by `Sec-Fetch-Site`, where the node is
    reached over TLS or on this machine, otherwise by `Referer` at the most.
    """
    origin = headers.get("origin")
    if origin is not None:
        return None if origin.partition("://")[2] == host else origin
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site in OWN_SITES else f"another site ({site})"
    referer = headers.get("referer")
    if referer is None or referer.partition("://")[2].partition("/")[0] == host:
        return None
    return referer[:MOST_SHOWN]


@lru_cache(maxsize=64)
def _is_local_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False
