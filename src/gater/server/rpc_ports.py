"""The ports of RPC to the rest of a node: authentication, authorisation, and the dispatcher of operations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Protocol

from gater.api.operation import Operation, StreamingOperation
from gater.model.errors import GaterError


class Authenticate(Protocol):
    """Authenticate the caller."""

    def __call__(self, headers: Mapping[str, str]) -> Any:
        """The principal that the headers of a handshake name (keys in any case); raises UnauthenticatedError."""
        ...


class Dispatcher(Protocol):
    """The dispatcher of operations: the Gateway."""

    def dispatch(self, operation: Operation[Any], done: Callable[[Any, GaterError | None], None]) -> None:
        """Run a call; `done(answer, error)` is called once, on the loop, maybe before this returns."""
        ...

    def stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation."""
        ...


class Authorise(Protocol):
    """Decides what a caller may do."""

    def __call__(self, principal: Any, operation: Operation[Any]) -> None:
        """Raises PermissionDeniedError when the principal may not run this operation."""
        ...
