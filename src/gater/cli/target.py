"""The target of a command: a server, or the store files of a data folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gater.model.errors import InvalidArgumentError, StoreUnavailableError

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi

DEFAULT_URL: Final = "http://127.0.0.1:4001"
REACH_SECONDS: Final = 3.0
"""How long a server may take to accept a connection."""
_UNHEARD: Final = logging.NullHandler()


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
        """The API of this place; raises StoreUnavailableError, with advice, when no server answers.

        A folder must exist already, unless `create`.
        """
        if self.data_dir is None:
            from gater.client.connecting import connect

            await check_reachable(self.url)
            async with connect(self.url, token=self.token) as api:
                yield api
        else:
            from gater.gateway.opening import open_api

            # What the stores log is no answer: stderr is the command's own, and `status` tells of stores in trouble.
            logging.getLogger("gater").addHandler(_UNHEARD)
            async with open_api(self.data_dir if create else self.folder()) as api:
                yield api

    def folder(self) -> Path:
        """The folder of store files, which must exist."""
        if self.data_dir is None or not self.data_dir.is_dir():
            raise InvalidArgumentError("data_dir", f"an existing folder, not {str(self.data_dir)!r}")
        return self.data_dir


async def check_reachable(url: str) -> None:
    """Fail at once, rather than after the client's patient retries, when no server listens at the URL."""
    from gater.client.address import parse_address

    address = parse_address(url)
    port = address.port or (443 if address.secure else 80)
    try:
        async with asyncio.timeout(REACH_SECONDS):
            _, writer = await asyncio.open_connection(address.host, port)
    except TimeoutError:
        raise _unreachable(url, f"no answer in {REACH_SECONDS:g} seconds") from None
    except OSError as error:
        raise _unreachable(url, _reason(error)) from None
    writer.close()


def _reason(error: OSError) -> str:
    """The reason why a connection could not be made, without the address."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (error.strerror or str(error)).lower()


def _unreachable(url: str, reason: str) -> StoreUnavailableError:
    message = (
        f"No server answers at {url} ({reason}). Start one with `gater serve`, name another with --url or "
        "GATER_URL, or open the files of a store directly with --data-dir DIR."
    )
    return StoreUnavailableError(message=message)
