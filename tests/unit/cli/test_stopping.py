"""Signals that end a command between two events."""

from __future__ import annotations

import asyncio
import os

import pytest

from gater.cli.stopping import STOP_SIGNALS, stopping_on_signals


def ignore(*_: int) -> None:
    """Nothing more is done."""


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_a_signal_ends_what_waits(number: int) -> None:
    with stopping_on_signals(ignore, ignore) as stop:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()
    assert stop.asked
    await asyncio.sleep(0)


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_a_signal_lets_work_end_and_a_second_one_is_passed_on(number: int) -> None:
    passed: list[int] = []
    again = asyncio.Event()

    def on_again(number: int) -> None:
        passed.append(number)
        again.set()

    with stopping_on_signals(lambda: passed.append(0), on_again) as stop, stop.at_work():
        os.kill(os.getpid(), number)
        while not stop.asked:
            await asyncio.sleep(0)
        assert passed == [0]
        os.kill(os.getpid(), number)
        await again.wait()
    assert passed == [0, number]


async def test_a_cancellation_that_no_signal_asked_for_goes_on() -> None:
    async def wait() -> None:
        with stopping_on_signals(ignore, ignore):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
