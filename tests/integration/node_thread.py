"""A node on an event loop of its own in a thread, for tests that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gater.node import Node
from tests.integration.served import node


@contextmanager
def node_in_thread(folder: Path, **settings: Any) -> Generator[Node, None, None]:
    """A node with the store `orders` on a free port, while the context lasts."""
    started = threading.Event()
    nodes: list[Node] = []
    failures: list[BaseException] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with node(folder, **settings) as running:
            nodes.append(running)
            started.set()
            await running.serve()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())
        except BaseException as failure:
            failures.append(failure)
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        if nodes:
            yield nodes[0]
    finally:
        if nodes:
            loop.call_soon_threadsafe(nodes[0].stop)
        thread.join()
    if failures:
        raise failures[0]
