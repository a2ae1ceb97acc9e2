"""The kinds of API operations: values with a name, the type of their answer, and how they may be repeated."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, Self, TypeAlias, TypeVar

import msgspec

Answer = TypeVar("Answer")

Effect: TypeAlias = Literal["read", "write", "admin"]
"""`write`: adds or settles something; `admin`: changes how the node works or removes something, and is audited."""


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last event that a reader was given, which whatever it reads next comes after."""

    position: int
    event_id: bytes
    """16 bytes; empty when it is not known."""


class Operation(msgspec.Struct, Generic[Answer], frozen=True, array_like=True, gc=False):
    """A call that is answered once."""

    name: ClassVar[str]
    answer: ClassVar[Any]
    streaming: ClassVar[bool] = False
    effect: ClassVar[Effect] = "read"
    repeatable: ClassVar[bool] = True
    """Whether it may be sent again when its outcome is unknown."""
    goes_ahead: ClassVar[bool] = False
    """Whether it takes effect before what its client asks later: settlements that wait are sent before others."""
    timeout: ClassVar[float | None] = 5.0
    """Seconds to wait for the answer; None: as long as the connection lives."""

    def repeated(self) -> Self:
        """The operation as it is sent again when it may have been done: one that has a field `again` says so there."""
        return msgspec.structs.replace(self, again=True) if "again" in self.__struct_fields__ else self


class StreamingOperation(Operation[Answer], frozen=True, array_like=True, gc=False):
    """A call that is answered by a stream of items."""

    streaming = True
    timeout = None
    lapses: ClassVar[bool] = False
    """Whether items that nobody has read are void when the stream breaks."""
