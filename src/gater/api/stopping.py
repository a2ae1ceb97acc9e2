"""A stop that was asked for, which may be waited for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Stopping:
    """The answer of `stop`: awaiting it waits until the stop is done; the stop happens in any case."""

    def __init__(self, done: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._done = done

    def __await__(self) -> Generator[Any, None, None]:
        return self._done().__await__()
