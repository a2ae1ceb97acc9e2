"""The event loop of Gater's own threads and commands: uvloop where it can be used, otherwise asyncio's."""

from __future__ import annotations

import asyncio
import os
from typing import Final

STANDARD_DESCRIPTORS: Final = (0, 1, 2)
"""Standard input, output and error."""


def closed_standard_descriptors() -> list[int]:
    """Those of the three standard descriptors that are closed, lowest first."""
    return [number for number in STANDARD_DESCRIPTORS if not _is_open(number)]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop.

    libuv takes whatever descriptors are free, and aborts the process when it closes a standard one: in a process of
    which one was closed, asyncio's own loop is used.
    """
    try:
        import uvloop
    except ImportError:  # it is not made for every platform
        return asyncio.new_event_loop()
    return asyncio.new_event_loop() if closed_standard_descriptors() else uvloop.new_event_loop()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
