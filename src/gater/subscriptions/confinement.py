"""The prefix of streams that the caller of an operation is confined to, for what is shared out among prefixes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

confined_to: Final[ContextVar[str]] = ContextVar("gater_confined_to", default="")
"""Empty for a caller who reaches whole stores."""


@contextmanager
def confined(prefix: str) -> Iterator[None]:
    """Begin operations on behalf of a caller who is confined to a prefix."""
    token = confined_to.set(prefix)
    try:
        yield
    finally:
        confined_to.reset(token)
