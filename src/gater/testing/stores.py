"""A store in memory for a test: nothing is written anywhere, and all is gone at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from gater.api.gater_api import GaterApi
from gater.gateway.opening import MEMORY, open_api
from gater.model.limits import Limits


@asynccontextmanager
async def memory_api(stores: Sequence[str] = (), *, limits: Limits | None = None) -> AsyncGenerator[GaterApi, None]:
    """The API on empty stores of these names, in memory."""
    async with open_api(MEMORY, stores=stores, limits=limits) as api:
        yield api
