"""`gater.open` and `gater.open_sync`: the API on this process's own stores."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from os import PathLike
from pathlib import Path
from typing import Final

from gater.api.blocking import BlockingGaterApi
from gater.api.gater_api import GaterApi
from gater.gateway.gateway import Gateway
from gater.gateway.local_caller import LocalCaller
from gater.model.limits import Limits

MEMORY: Final = ":memory:"
"""In place of a folder: keep everything in memory."""


@asynccontextmanager
async def open_api(
    path: str | PathLike[str], *, stores: Sequence[str] = (), limits: Limits | None = None
) -> AsyncGenerator[GaterApi, None]:
    """The API on the stores in the folder `path` (made if missing), until the context ends.

    `stores` are made if missing. The path `":memory:"` keeps everything in memory. Raises StoreUnavailableError when no
    store of the folder can be opened, as when another process has them open; while some can, calls for the others do.
    """
    gateway = Gateway(Path(path), limits=limits, memory=str(path) == MEMORY)
    try:
        await gateway.start()
        await gateway.ensure_stores(stores)
        yield GaterApi(LocalCaller(gateway))
    finally:
        await gateway.close()


def open_blocking(
    path: str | PathLike[str], *, stores: Sequence[str] = (), limits: Limits | None = None
) -> BlockingGaterApi:
    """The same, blocking: for `with`, or to be closed by hand."""
    return BlockingGaterApi(open_api(path, stores=stores, limits=limits))
