"""A node: its stores, and the server in front of them, started and stopped in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from gater.config.settings import Settings
from gater.gateway.gateway import Gateway, open_gateway
from gater.messages.signing import Keyring
from gater.monitoring.announcements import Announcements
from gater.monitoring.lifecycle import announce_log_line
from gater.telemetry.failures import failures_logged
from gater.telemetry.log_forwarding import LogForwarder

if TYPE_CHECKING:
    from gater.server.listener import Listener
    from gater.server.service import Service

SWITCH_SECONDS: Final = 0.0005
"""How long a thread that computes may keep the others waiting (Python's own: 5 ms)."""
GC_THRESHOLDS: Final = (10_000, 5, 100)
"""New objects between two looks for garbage among them, and how many of these looks there are between those at older
objects, and at all (Python's own: 700, 10 and 10). A look holds up all threads; so those at new objects are short, and
those at all objects are rare."""
LAST_WORD_SECONDS: Final = 0.05
"""How long the last announcement may take to leave."""

log = logging.getLogger(__name__)


class Node:
    """One node: `async with Node(settings) as node`, reached at `node.url` until the context ends.

    Leaving it drains: nothing more is accepted, what is under way is answered within the drain timeout, the stores
    are closed. Starting raises MisconfiguredError when the address is taken or a certificate cannot be used, and
    StoreUnavailableError when no store of the folder can be opened, as when another process has them open.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        """Where it is reached, the real port included; empty until it is started."""
        self._pid = os.getpid()
        self._stop = asyncio.Event()
        self._running = AsyncExitStack()
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as starting:
            await self._start(starting)
            self._running = starting.pop_all()
        log.info("node started", extra={"url": self.url, "data_dir": str(self.settings.data_dir)})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._pid:
            return  # a child of the process has no part in it
        await self._running.aclose()
        log.info("node stopped", extra={"url": self.url})

    async def serve(self) -> None:
        """Serve until `stop`, then drain."""
        await self._stop.wait()
        await self._running.aclose()

    def stop(self) -> None:
        """Let `serve` end; called again, what is under way is not waited for."""
        if not self._stop.is_set():
            log.info("node stopping", extra={"url": self.url, "drain_timeout": self.settings.drain_timeout})
        elif self._listener is not None:
            self._listener.hurry()
        self._stop.set()

    async def _start(self, running: AsyncExitStack) -> None:
        """Start part by part; each is stopped in reverse, also when a later one does not start."""
        running.enter_context(_tuned_process())
        settings = self.settings
        gateway = await open_gateway(
            settings.data_dir,
            stores=settings.stores,
            limits=settings.limits,
            node=f"gater@{socket.gethostname()}",
            keyring=Keyring(settings.secret_key_base, settings.previous_secret_keys),
        )
        running.push_async_callback(gateway.close)
        running.enter_context(_logs_forwarded(gateway.announcements))
        running.enter_context(failures_logged(asyncio.get_running_loop()))
        service, listener = self._server(gateway)
        self.url = await listener.start()
        self._listener = listener
        running.push_async_callback(listener.stop)
        running.callback(service.stopping.set)
        running.push_async_callback(_announce_stopping, gateway)
        # What is there now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    def _server(self, gateway: Gateway) -> tuple[Service, Listener]:
        """The service and the listener for the gateway; imported here, for a program that only reads settings does not
        need it.
        """
        from gater.server.app import build_app
        from gater.server.auth import authenticator
        from gater.server.descriptors import connections_within
        from gater.server.listener import Listener
        from gater.server.rpc import RpcEndpoint
        from gater.server.service import Service
        from gater.server.slots import Slots
        from gater.wire.server_session import SessionLimits

        settings = self.settings
        known = authenticator(settings)
        service = Service(gateway, known, settings.limits, settings.body_timeout)
        endpoint = RpcEndpoint(
            gateway.door,
            limits=settings.limits,
            session_limits=SessionLimits(max_calls=settings.max_in_flight, max_streams=settings.max_streams),
            authenticate=known.authenticate,
            refused=gateway.audit.connection_refused,
            share=gateway.memory.requests,
            large=service.large,
            outgoing=service.outgoing,
        )
        room = connections_within(2 * settings.max_connections)
        is_tls = settings.tls_cert is not None
        slots = Slots(settings.max_connections, gateway.audit.limit_reached, room, shakes_hands=is_tls)
        if slots.served < settings.max_connections:
            facts = {"max_connections": settings.max_connections, "served": slots.served}
            log.warning("fewer connections are served: the process may open too few files", extra=facts)
        return service, Listener(settings, build_app(service), endpoint.protocol_class, slots, service.outgoing)


async def _announce_stopping(gateway: Gateway) -> None:
    """Announce that the node stops, while subscribers can still receive it over the network."""
    if gateway.announce_stopping():
        await asyncio.sleep(LAST_WORD_SECONDS)


@contextmanager
def _logs_forwarded(announcements: Announcements) -> Generator[None, None, None]:
    """While it lasts, log lines of some importance are announced, too."""
    loop = asyncio.get_running_loop()
    forwarder = LogForwarder(partial(announce_log_line, announcements), loop.call_soon_threadsafe)
    logger = logging.getLogger("gater")
    logger.addHandler(forwarder)
    try:
        yield
    finally:
        logger.removeHandler(forwarder)


@contextmanager
def _tuned_process() -> Generator[None, None, None]:
    """Settings of the interpreter that a node needs, put back afterwards.

    The event loop gives way to the threads that write often enough that a batch does not wait for it: beside a busy
    loop, each statement would wait up to Python's own interval. Batches make many objects that live shortly
    and form no cycles, so the collector looks for those more rarely.
    """
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
