"""A caller whose calls take a time of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

from gater.api.caller import Caller
from gater.api.operation import Operation, StreamingOperation
from gater.api.outbox import Outbox

Answer = TypeVar("Answer")


class TimedCaller:
    """A Caller (see there) that gives each call `seconds`, whatever its operation would get otherwise."""

    def __init__(self, caller: Caller, seconds: float) -> None:
        self.patience = seconds
        self._caller = caller

    @property
    def resumes(self) -> bool:
        """Whether a broken stream is worth opening again."""
        return self._caller.resumes

    async def open(self) -> None:
        """Open the caller that was given this time."""
        await self._caller.open()

    @property
    def outbox(self) -> Outbox:
        """Settlements of the client's consumers that are to be sent."""
        return self._caller.outbox

    async def call(self, operation: Operation[Answer], timeout: float | None = None) -> Answer:
        """The answer of one operation."""
        return await self._caller.call(operation, self.patience if timeout is None else timeout)

    def stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        """The items of a streaming operation, which may take any time."""
        return self._caller.stream(operation)

    async def close(self) -> None:
        """Close the caller that was given this time."""
        await self._caller.close()
