"""The interest of a follower, in terms by which a committed event finds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gater.model.events import EventRow

STREAM_PREFIX: Final = "stream_prefix"
"""The field of a term about the beginning of the stream's id."""
PRESENT: Final = object()
"""As the value of a term: any value, if only there is one."""


class Term(NamedTuple):
    """One condition on an event: a field has a value, in data and metadata under a path."""

    field: str
    value: Any
    """Text, a number, a truth value or None; or PRESENT."""
    path: tuple[str | int, ...] = ()
    """Keys of objects and indexes of lists, from the outside in."""


Clause = frozenset[Term]
"""An event that is meant fulfils one of these terms at least."""


class Interest(NamedTuple):
    """The events that a follower waits for."""

    key: bytes
    """Equal for interests in the same events."""
    clauses: tuple[Clause, ...] = ()
    """Each is a necessary condition; none: nothing can be told from a single field."""
    accepts: Callable[[EventRow], bool] | None = None
    """Decides about an event that fulfils one clause; None: it is meant."""
    everything: bool = False
    """Whether every event is meant."""


EVERYTHING: Final = Interest(b"", everything=True)
