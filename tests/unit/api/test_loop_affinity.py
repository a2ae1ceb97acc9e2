"""The affinity to an event loop: the first check decides, and calls from elsewhere reach the loop."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from gater import WrongContextError
from gater.api.loop_affinity import affinity_of_reader

LONG = 5.0


async def test_a_function_that_a_signal_handler_has_called_wakes_the_event_loop() -> None:
    affinity, called = affinity_of_reader(), asyncio.Event()
    loop = affinity.check()
    before = signal.signal(signal.SIGALRM, lambda *_: affinity.call(called.set))
    try:
        began = loop.time()
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        await asyncio.wait_for(called.wait(), LONG)
        assert loop.time() - began < LONG / 2
    finally:
        signal.signal(signal.SIGALRM, before)


async def test_another_thread_is_refused_but_can_have_a_function_called() -> None:
    affinity, called = affinity_of_reader(), asyncio.Event()
    affinity.check()
    affinity.check_thread()
    for check in (affinity.check, affinity.check_thread):
        with pytest.raises(WrongContextError, match="another event loop"):
            await asyncio.to_thread(check)
    threads: list[int] = []

    def note() -> None:
        threads.append(threading.get_ident())
        called.set()

    await asyncio.to_thread(affinity.call, note)
    await asyncio.wait_for(called.wait(), LONG)
    assert threads == [threading.get_ident()]


def test_what_belongs_to_no_event_loop_yet_is_refused_without_one() -> None:
    affinity = affinity_of_reader()
    called: list[int] = []
    affinity.call(lambda: called.append(1))
    assert called == [1]
    with pytest.raises(WrongContextError, match="no event loop"):
        affinity.check()
    asyncio.run(_check(affinity.check))
    affinity.call(lambda: called.append(2))
    assert called == [1]


async def _check(check: object) -> None:
    assert callable(check)
    check()
