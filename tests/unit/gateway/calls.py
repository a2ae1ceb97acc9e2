"""Calling a gateway as a server does: with operations as values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from gater.api.operation import Operation
from gater.api.origin import IN_PROCESS
from gater.gateway.gateway import Gateway, open_gateway
from gater.model.limits import Limits
from gater.store.log import resolve


@asynccontextmanager
async def in_memory(*stores: str, limits: Limits | None = None) -> AsyncGenerator[Gateway, None]:
    """A gateway whose stores live in memory."""
    gateway = await open_gateway(Path("unused"), stores=stores, limits=limits, memory=True)
    try:
        yield gateway
    finally:
        await gateway.close()


@asynccontextmanager
async def on_files(folder: Path, *stores: str, limits: Limits | None = None) -> AsyncGenerator[Gateway, None]:
    """A gateway whose stores are files."""
    gateway = await open_gateway(folder, stores=stores, limits=limits)
    try:
        yield gateway
    finally:
        await gateway.close()


def answer(gateway: Gateway, operation: Operation[Any]) -> asyncio.Future[Any]:
    """The answer of an operation, asked for at once."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    gateway.dispatch(operation, IN_PROCESS, partial(resolve, future))
    return future
