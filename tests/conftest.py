"""Async tests run on an event loop of their own: `async def test_...` needs no plugin and no marker.

A fixture that returns an async generator is begun on that loop: the test gets what it yields first, and the generator
is ended on the same loop after the test.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings

Result = TypeVar("Result")

TEST_SECONDS: Final = 60.0
"""An async test that takes longer is cancelled where it hangs, which shows the line."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each program that a test starts compiles all of its modules

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("torture", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


QUICK_FIRST: Final = ("unit", "documentation", "contract", "integration", "examples", "torture", "load")
"""Folders of tests, in the order in which they run; what is in none of them comes first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put quick tests first; the order within a folder stays, so that a server is started once."""
    places = {folder: number for number, folder in enumerate(QUICK_FIRST)}
    tests = Path(__file__).parent
    items.sort(key=lambda item: places.get(item.path.relative_to(tests).parts[0], -1))


def run_async(work: Coroutine[Any, Any, Result], seconds: float = TEST_SECONDS) -> Result:
    """The result of a coroutine on a new event loop; what goes wrong in its callbacks and tasks is not lost."""
    unnoticed: list[dict[str, Any]] = []

    async def bounded() -> Result:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unnoticed.append(context))
        async with asyncio.timeout(seconds):
            return await work

    result = asyncio.run(bounded())
    if unnoticed:
        raise AssertionError(f"the event loop met {unnoticed}") from unnoticed[0].get("exception")
    return result


async def _run_test(test: Any, arguments: dict[str, Any]) -> None:
    async with AsyncExitStack() as stack:
        for name, value in arguments.items():
            if inspect.isasyncgen(value):
                arguments[name] = await stack.enter_async_context(asynccontextmanager(lambda value=value: value)())
        await test(**arguments)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test to its end; pytest runs all other tests itself."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    run_async(_run_test(test, arguments))
    return True
