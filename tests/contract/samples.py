"""Events to write, and short ways to say what was read."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

import pytest

from gater import Event, GaterError, NewEvent

Item = TypeVar("Item")

WAIT_SECONDS = 20.0
"""How long a test waits for something that is to happen."""


def numbered(count: int, first: int = 0, event_type: str = "Counted") -> list[NewEvent]:
    """So many events whose data is a running number."""
    return [NewEvent(event_type, {"number": number}) for number in range(first, first + count)]


def versions(events: Iterable[Event]) -> list[int]:
    """The versions of events, in their order."""
    return [event.version for event in events]


def positions(events: Iterable[Event]) -> list[int]:
    """The positions of events, in their order."""
    return [event.position for event in events]


def numbers(events: Iterable[Event]) -> list[int]:
    """The running numbers of events made by `numbered`."""
    return [event.data["number"] for event in events]


async def all_of(items: AsyncIterator[Item]) -> list[Item]:
    """Every item of a stream that ends."""
    return [item async for item in items]


async def first_of(items: AsyncGenerator[Item, None], count: int) -> list[Item]:
    """The first `count` items of a stream, which is closed then."""
    taken: list[Item] = []
    async with aclosing(items):
        async for item in items:
            taken.append(item)
            if len(taken) == count:
                break
    return taken


async def until(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Return when the condition holds; fails when that takes too long. It is looked at less and less often."""
    pause = 0.002
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not (await held if inspect.isawaitable(held := condition()) else held):
                await asyncio.sleep(pause)
                pause = min(1.5 * pause, 0.05)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {inspect.getsource(condition).strip()}") from None  # type: ignore[arg-type]


@contextmanager
def refused(kind: type[GaterError], /, **details: Any) -> Iterator[None]:
    """What happens inside is refused with exactly this error, its code and these fields."""
    with pytest.raises(GaterError) as caught:
        yield
    error = caught.value
    assert type(error) is kind, f"{type(error).__name__}: {error}"
    assert error.code == kind.code
    for name, value in details.items():
        assert error.details.get(name) in _as_it_travels(value), f"{name}: {error.details.get(name)!r}, not {value!r}"
    assert error.message


def _as_it_travels(value: Any) -> list[Any]:
    """A value, and how an error shows it that came from a query (as text) or from a server (what is too large: hex)."""
    return [value, str(value), hex(value)] if type(value) is int and value >= 1 << 63 else [value, str(value)]
