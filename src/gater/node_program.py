"""A node as a program of its own: log lines, signals, and an end within the drain timeout."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gater.config.settings import Settings
from gater.node import Node
from gater.telemetry.logs import configure_logging

LEAST_STOP_SECONDS: Final = 1.0
"""How long a program may take to close its files at least, however short the drain timeout is."""
LAST_LINE_SECONDS: Final = 0.1
"""How long the log line of a forced end may take; the reader of the log may hang, too."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger(__name__)


async def run_node(settings: Settings, started: Callable[[Node], None] = lambda node: None) -> None:
    """Run a node until SIGTERM or SIGINT, with its log lines configured; `started` is called when it can be reached.

    A first signal drains, a second one cuts the draining short. After the drain timeout the process ends with exit
    code 0, whatever is under way or hangs then, as after any other end of a process: what was acknowledged is durable.
    The main thread calls this, before the process has others; from then on the signals do nothing else.
    """
    configure_logging(settings.log_level, settings.log_format)
    node = Node(settings)
    _stop_on_signals(node, asyncio.get_running_loop())
    async with node:
        started(node)
        await node.serve()


def _stop_on_signals(node: Node, loop: asyncio.AbstractEventLoop) -> None:
    """Have a thread receive the signals: handlers are called on the main thread, which may hang."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    seconds = max(node.settings.drain_timeout, LEAST_STOP_SECONDS)

    def receive() -> None:
        signal.sigwait(STOP_SIGNALS)
        threading.Thread(target=_end_process_after, args=(seconds,), name="stop-limit", daemon=True).start()
        while True:
            with suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(node.stop)
            signal.sigwait(STOP_SIGNALS)

    threading.Thread(target=receive, name="stop-signals", daemon=True).start()


def _end_process_after(seconds: float) -> None:
    """End the process unless it has ended by then."""
    time.sleep(seconds)
    try:
        facts = {"extra": {"seconds": seconds}}
        line = "the node did not stop in time, and is ended"
        last = threading.Thread(target=log.error, args=(line,), kwargs=facts, daemon=True)
        last.start()
        last.join(LAST_LINE_SECONDS)
    finally:
        os._exit(0)
