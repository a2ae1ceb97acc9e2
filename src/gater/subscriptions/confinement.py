"""The prefix of streams that the caller of an operation is confined to, for what is shared out among prefixes."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

confined_to: Final[ContextVar[str]] = ContextVar("gater_confined_to", default="")
"""Empty for a caller who reaches whole stores."""

Dispatch = Callable[[Any, Any], None]


def confined(dispatch: Dispatch, prefix: str) -> Dispatch:
    """A dispatcher of operations for a caller that is confined to a prefix (empty: is not)."""
    if not prefix:
        return dispatch

    def dispatch_confined(operation: Any, done: Any) -> None:
        token = confined_to.set(prefix)
        try:
            dispatch(operation, done)
        finally:
            confined_to.reset(token)

    return dispatch_confined
