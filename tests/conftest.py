"""Async tests run on an event loop of their own: `async def test_...` needs no plugin and no marker."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
from collections.abc import Coroutine
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

TEST_SECONDS: Final = 60.0
"""An async test that takes longer is cancelled where it hangs, which shows the line."""

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("torture", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def run_async(work: Coroutine[Any, Any, Any], seconds: float = TEST_SECONDS) -> Any:
    """The result of a coroutine on a new event loop; no exception of a callback or of a task goes unnoticed."""
    unnoticed: list[dict[str, Any]] = []

    async def bounded() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unnoticed.append(context))
        async with asyncio.timeout(seconds):
            return await work

    result = asyncio.run(bounded())
    if unnoticed:
        gc.collect()
        cause = unnoticed[0].get("exception")
        raise AssertionError(f"the event loop met {unnoticed[0]}") from cause
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test to its end; pytest runs all other tests itself."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    run_async(test(**arguments))
    return True
