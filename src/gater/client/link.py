"""The one connection of a client: made when it is needed, and made again, with backoff, when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from http import HTTPStatus
from typing import Any, Final

import msgspec
from picows import WSError, WSHandshakeError

from gater.client.address import Address
from gater.client.handshake import Open
from gater.client.retry import Backoff, may_connect_again
from gater.client.transport import Connection
from gater.model.errors import (
    ApiClosedError,
    GaterError,
    OverloadedError,
    PermissionDeniedError,
    StoreUnavailableError,
    UnauthenticatedError,
)
from gater.wire.errors import from_wire

REMINDER_SECONDS: Final = 60.0
"""Time after which a client that still has no connection logs another warning."""

logger: Final = logging.getLogger(__name__)


class _ErrorFields(msgspec.Struct):
    code: str
    message: str = ""
    details: dict[str, Any] = {}


class _ErrorBody(msgspec.Struct):
    error: _ErrorFields


class Link:
    """A connection to one server, shared by all callers of a client."""

    def __init__(self, open_connection: Open, address: Address, backoff: Backoff | None = None) -> None:
        self._open = open_connection
        self._address = address
        self._backoff = backoff or Backoff()
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[Connection | GaterError] | None = None
        self._failures = 0
        self._last_failure: GaterError | None = None
        self._warned = 0.0
        self.was_connected = False
        """Whether there has ever been a connection."""
        self._closed = False

    @property
    def current(self) -> Connection | None:
        """The connection, if there is one."""
        connection = self._connection
        return connection if connection is not None and connection.lost is None and not self._closed else None

    async def connection(self, deadline: float | None, *, once: bool = False) -> Connection:
        """The connection, made if there is none: by `deadline` (a time of the event loop), or (`once`) at one attempt.

        Raises StoreUnavailableError when that fails, at once UnauthenticatedError, PermissionDeniedError or
        OverloadedError when the server refuses.
        """
        while (connection := self.current) is None:
            outcome = await self._next_attempt(deadline)
            if isinstance(outcome, GaterError) and (once or not may_connect_again(outcome)):
                raise copied(outcome)
        return connection

    async def _next_attempt(self, deadline: float | None) -> Connection | GaterError:
        """The result of the attempt that is under way, or of a new one."""
        if self._closed:
            raise ApiClosedError()
        loop = asyncio.get_running_loop()
        if self._attempt is None:
            self._attempt = loop.create_task(self._try())
        attempt = self._attempt
        left = None if deadline is None else max(deadline - loop.time(), 0.0)
        done, _ = await asyncio.wait({attempt}, timeout=left)
        if not done:
            raise copied(self._last_failure or self._unavailable("no connection in time"))
        if attempt.cancelled():
            raise ApiClosedError()
        return attempt.result()

    async def _try(self) -> Connection | GaterError:
        """One attempt to connect, after the delay that the failures before it ask for."""
        if self._connection is not None:
            self._failures = 0 if self._connection.useful else self._failures + 1
            self._connection = None
        try:
            await asyncio.sleep(self._backoff.delay(self._failures, random.random()))
            self._connection = await self._open()
        except WSHandshakeError as error:
            return self._failed(self._refusal(error))
        except TimeoutError:
            return self._failed(self._unavailable("no answer in time"))
        except (OSError, WSError, ValueError) as error:  # ValueError: a name that cannot be looked up
            return self._failed(self._unavailable(_reason(error)))
        finally:
            self._attempt = None
        if self._last_failure is not None:
            logger.info("connected", extra={"address": str(self._address)})
        self._last_failure = None
        self.was_connected = True
        return self._connection

    def _failed(self, error: GaterError) -> GaterError:
        self._failures += 1
        self._warn(error, anew=self._last_failure is None)
        self._last_failure = error
        return error

    def _warn(self, error: GaterError, *, anew: bool) -> None:
        """Log the first failure of a row, and one now and then."""
        now = asyncio.get_running_loop().time()
        if anew or now - self._warned >= REMINDER_SECONDS:
            self._warned = now
            logger.warning("no connection", extra={"address": str(self._address), "reason": _why(error)})

    def _refusal(self, refused: WSHandshakeError) -> GaterError:
        """The reason why the server refused the connection: the error in its answer, or the meaning of its status."""
        if refused.response is None:
            return self._unavailable(str(refused))
        with contextlib.suppress(msgspec.DecodeError):
            found = msgspec.json.decode(refused.raw_body or b"", type=_ErrorBody).error
            if found.code != "not_found":
                return from_wire(found.code, found.message, found.details)
        match refused.response.status:
            case HTTPStatus.UNAUTHORIZED:
                return UnauthenticatedError()
            case HTTPStatus.FORBIDDEN:
                return PermissionDeniedError()
            case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
                return OverloadedError("connections")
            case status:
                return self._unavailable(f"it answered {status.value} {status.phrase} instead of opening a WebSocket")

    def _unavailable(self, reason: str) -> StoreUnavailableError:
        return StoreUnavailableError(reason=f"{self._address} cannot be reached: {reason}")

    async def close(self, patience: float) -> None:
        """Close the connection; calls under way have `patience` seconds to be answered. Twice is once."""
        self._closed = True
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait({self._attempt})
        if self._connection is not None:
            await self._connection.close(patience)
            self._connection = None


def copied(error: GaterError) -> GaterError:
    """An error for one of several callers: a raised exception gathers the traces of all who raise it."""
    return from_wire(error.code, error.message, error.details)


def _why(error: GaterError) -> str:
    return str(error.details.get("reason") or error)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
