"""The frames of the RPC protocol: msgpack arrays whose first element says which frame it is.

One WebSocket message is one bundle: a msgpack array of frames. A frame may have more elements than are listed here;
a reader passes over those it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

LARGEST_ID: Final = (1 << 53) - 1
"""Every language can count that far without losing one."""

RequestId = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_ID)]
"""Chosen by the client, unique among what is under way on a connection."""
Credit = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]
"""How many items a stream may send."""

CONNECTION: Final = 0
"""The id of a Failure that concerns the connection as a whole, which ends with it.

With the code `store_unavailable` it says that the server goes away in good order: everything it began is answered,
what has no answer was not begun.
"""


class Request(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """Client to server: run an operation; a streaming one may at first send `credit` items."""

    id: RequestId
    operation: str
    arguments: msgspec.Raw
    credit: Credit = 0


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Client to server: this is not waited for any more, and not answered."""

    id: RequestId


class Grant(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Client to server: the stream may send `credit` more items."""

    id: RequestId
    credit: Credit


class Response(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Server to client: the answer of a call."""

    id: RequestId
    answer: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Server to client: the call, the stream or (id 0) the connection ends with this error."""

    id: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]
    code: str
    message: str
    details: dict[str, Any]


class Item(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """Server to client: the next item of a stream."""

    id: RequestId
    item: msgspec.Raw


class End(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """Server to client: the stream is complete."""

    id: RequestId


ClientFrame = Request | Cancel | Grant
ServerFrame = Response | Failure | Item | End
