"""Failures that no caller hears of: what callbacks, forgotten tasks and threads raise becomes log lines."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)


@contextmanager
def failures_logged(loop: asyncio.AbstractEventLoop) -> Generator[None, None, None]:
    """While it lasts, log what fails on the loop or in a thread; handlers that were set before are called, too."""
    handler_before, hook_before = loop.get_exception_handler(), threading.excepthook

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.error("a task or callback failed", exc_info=context.get("exception"), extra={"reason": context["message"]})
        if handler_before is not None:
            handler_before(loop, context)

    def hook(failed: threading.ExceptHookArgs) -> None:
        name = "" if failed.thread is None else failed.thread.name
        log.error("a thread ended with an error", exc_info=failed.exc_value, extra={"name_of_thread": name})
        if hook_before is not threading.__excepthook__:
            hook_before(failed)

    loop.set_exception_handler(handle)
    threading.excepthook = hook
    try:
        yield
    finally:
        loop.set_exception_handler(handler_before)
        if threading.excepthook is hook:
            threading.excepthook = hook_before
