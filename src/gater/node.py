"""A node: its stores, and the server in front of them, started and stopped in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from gater.config.settings import Settings
from gater.gateway.gateway import Gateway
from gater.model.errors import MisconfiguredError

if TYPE_CHECKING:
    import uvicorn

    from gater.server.service import Service

SWITCH_SECONDS: Final = 0.0001
"""How long a thread that computes may keep the others from running (Python's own: 5 ms)."""
GC_THRESHOLD: Final = 50_000
"""New objects between two looks for garbage cycles (Python's own: 700)."""
BACKLOG: Final = 2_048
"""Connections that the system holds until they are accepted."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger(__name__)


class Node:
    """One node: `async with Node(settings) as node`, reached at `node.url` until the context ends.

    Leaving drains it: no more connections, what is under way is answered within the drain timeout, the stores are
    closed. Starting raises MisconfiguredError when the address is taken or the certificate cannot be read, and
    StoreUnavailableError when another process has a store open.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        """Where it is reached, the real port included; empty before it is started."""
        self._stop = asyncio.Event()
        self._resources = AsyncExitStack()
        self._server: uvicorn.Server | None = None

    async def __aenter__(self) -> Self:
        async with self._resources as resources:
            await self._start(resources)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()
        log.info("node stopped", extra={"url": self.url})

    async def serve_until_stopped(self) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; a second signal cuts the draining short."""
        with self._signals():
            await self._stop.wait()
            log.info("node stopping", extra={"url": self.url, "drain_timeout": self.settings.drain_timeout})
            await self._resources.aclose()

    def stop(self) -> None:
        """Let `serve_until_stopped` go on; called again, work that is under way is not waited for."""
        if self._stop.is_set() and self._server is not None:
            self._server.force_exit = True
        self._stop.set()
