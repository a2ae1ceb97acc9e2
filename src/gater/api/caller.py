"""The ports between the API object and whatever carries its operations to a store, and carries them out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol, TypeVar

from gater.api.operation import Operation, StreamingOperation
from gater.api.origin import Origin
from gater.api.outbox import Outbox
from gater.model.outcome import Done

Answer = TypeVar("Answer")


class Caller(Protocol):
    """Carries operations; what it promises holds in process and over the network alike.

    - A call gives the operation's answer or raises a GaterError; it is never silently repeated when the operation
      is not `repeatable`.
    - A stream yields items in order, without gap or repeat. When it breaks it raises a TransientError, and nothing
      more comes of it: the API object, which knows what it has yielded, opens a new one.
    - What waits in the outbox goes ahead of the next call, stream or close, in order. (Calls that settle deliveries
      go ahead themselves: they do not wait for others.)
    - Closing twice is closing once; calls after it raise StoreUnavailableError.
    - It belongs to the event loop of its first call: in another one, and in a child of the process, a call raises
      WrongContextError at once. Closing it in a child does nothing, for what is open is the parent's.
    """

    @property
    def resumes(self) -> bool:
        """Whether a broken stream is worth opening again (a network that was there may come back)."""
        ...

    @property
    def patience(self) -> float:
        """Seconds for which a read that gets nothing is tried again."""
        ...

    async def open(self) -> None:
        """Open what must be open before a call; calls do so, too. Nothing happens when it is."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Settlements of the client's consumers that are to be sent."""
        ...

    async def call(self, operation: Operation[Answer], timeout: float | None = None) -> Answer:
        """The answer of one operation, within `timeout` seconds (None: the operation's own)."""
        ...

    def stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        """The items of a streaming operation; closing the generator ends the stream at its source."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class Dispatcher(Protocol):
    """Carries out operations of this process on behalf of their origins; used on the event loop only."""

    def dispatch(self, operation: Operation[Any], origin: Origin, done: Done) -> None:
        """Carry out an operation; `done(answer, error)` is called once, on the loop, maybe before this returns.

        The answer encodes as `operation.answer`; events are rows in the field order of Event.
        """
        ...

    def stream(self, operation: StreamingOperation[Any], origin: Origin) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation; they encode as `operation.answer`."""
        ...
