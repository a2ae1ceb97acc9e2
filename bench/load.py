"""A load runs in a process of its own: `python -m bench.load MODULE:FUNCTION '{"argument": …}'` prints its result.

So no client shares an interpreter lock with a server, with another client, or with the table that waits.
Coroutine functions run on uvloop.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import subprocess
import sys
from typing import Any, Final

TURN_TIMEOUT: Final = 120.0


class LoadError(RuntimeError):
    """A load failed; says how it ended."""


def run_load(name: str, *, timeout: float = TURN_TIMEOUT, **arguments: Any) -> dict[str, Any]:
    """Runs MODULE:FUNCTION in a new Python process and returns what it returned (a flat JSON object).

    Raises LoadError when it fails or has not ended after `timeout` seconds.
    """
    command = [sys.executable, "-m", "bench.load", name, json.dumps(arguments)]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise LoadError(f"{name} had not ended after {timeout:.0f} s") from None
    if finished.returncode != 0:
        raise LoadError((finished.stderr.strip().splitlines() or [f"{name} ended with {finished.returncode}"])[-1])
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result


def rate(result: dict[str, Any]) -> float:
    """Work done in a second."""
    return float(result["count"] / result["seconds"])


def main(name: str, arguments: str) -> None:
    """The child process: finds the function, runs it, prints its result as one line of JSON."""
    module, _, function_name = name.partition(":")
    function = getattr(importlib.import_module(module), function_name)
    outcome = function(**json.loads(arguments))
    if inspect.isawaitable(outcome):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcome = runner.run(_awaited(outcome))
    print(json.dumps(outcome))


async def _awaited(outcome: Any) -> Any:
    return await outcome


def first_cause(error: BaseException) -> BaseException:
    """The failure that a task group wraps, so that the last line of the output names it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseExceptionGroup as group:
        raise first_cause(group) from None
