"""Where a command goes: to a server, or straight to the store files of a data folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gater.model.errors import InvalidArgumentError, MisconfiguredError, StoreUnavailableError

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi

DEFAULT_URL: Final = "http://127.0.0.1:4001"
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
REACH_TIMEOUT: Final = 3.0
"""Seconds in which a server must accept a connection."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server with the token it asks for, or a folder of store files."""

    url: str = DEFAULT_URL
    token: str | None = None
    data_dir: Path | None = None

    def __str__(self) -> str:
        return self.url if self.data_dir is None else str(self.data_dir)

    @asynccontextmanager
    async def open(self, *, create: bool = False) -> AsyncIterator[GaterApi]:
        """The API of this place; raises StoreUnavailableError, with what to do about it, when nobody answers.

        A folder must exist already, unless `create`.
        """
        if self.data_dir is None:
            from gater.client.connecting import connect

            await check_reachable(self.url)
            async with connect(self.url, token=self.token) as api:
                yield api
        else:
            from gater.gateway.opening import open_stores

            if not create and not self.data_dir.is_dir():
                raise InvalidArgumentError("data_dir", f"an existing folder, not {str(self.data_dir)!r}")
            async with open_stores(self.data_dir) as api:
                yield api


def split_address(url: str) -> tuple[str, int]:
    """Host and port of a server's URL; raises MisconfiguredError when it is not one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise MisconfiguredError("url", f"{error}: {url!r}") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise MisconfiguredError("url", f"like {DEFAULT_URL}, not {url!r}")
    return parts.hostname, port or DEFAULT_PORTS[parts.scheme]


async def check_reachable(url: str) -> None:
    """Find out at once, rather than after the client's patient retries, that nobody listens at the URL."""
    host, port = split_address(url)
    try:
        async with asyncio.timeout(REACH_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise _unreachable(url, f"no answer in {REACH_TIMEOUT:g} seconds") from None
    except OSError as error:
        raise _unreachable(url, (error.strerror or str(error)).lower()) from None
    writer.close()


def _unreachable(url: str, reason: str) -> StoreUnavailableError:
    message = (
        f"No server answers at {url} ({reason}). Start one with `gater serve`, name another with --url or "
        "GATER_URL, or open the files of a store directly with --data-dir DIR"
    )
    return StoreUnavailableError(message=message)
