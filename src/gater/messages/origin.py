"""The origin of a system message: the node, the clock and the ids that records take when none are given."""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ID_BYTES: Final = 8


class Source(Protocol):
    """The name of the local node and the time."""

    @property
    def node(self) -> str:
        """The name of the local node."""
        ...

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since 1970, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """A node and a clock, given outright."""

    node: str
    clock: Callable[[], float] = time.time


_in_process: Final[list[Source]] = [Origin(platform.node() or "localhost")]
"""The newest is in use; the first, the machine, never leaves."""
_context: ContextVar[Source | None] = ContextVar("gater_message_source", default=None)


def use(source: Source) -> None:
    """Make this the source of the whole process, for example a Messenger, until `leave` or until another is used."""
    _in_process.append(source)


def leave(source: Source) -> None:
    """Use this source no longer; of those that are left, the newest is in use. Nothing happens when it is not used."""
    for index in range(len(_in_process) - 1, 0, -1):
        if _in_process[index] is source:
            del _in_process[index]
            return


@contextmanager
def using(source: Source) -> Iterator[None]:
    """Within the block, and in the tasks begun there, this is the source: several nodes can share a process."""
    token = _context.set(source)
    try:
        yield
    finally:
        _context.reset(token)


def current_source() -> Source:
    """The source of this context, otherwise that of the process; at first the name and the clock of the machine."""
    return _context.get() or _in_process[-1]


def self_node() -> str:
    """The name of the local node."""
    return current_source().node


def current_timestamp() -> datetime:
    """Now: UTC, in whole milliseconds."""
    return _EPOCH + timedelta(milliseconds=int(current_source().clock() * 1_000))


def new_id(prefix: str = "") -> str:
    """The prefix and 16 random hexadecimal digits."""
    return prefix + secrets.token_hex(_ID_BYTES)


def generate_message_id(prefix: str = "msg") -> str:
    """`PREFIX_MICROSECONDS_RANDOM`: ids of one prefix sort by time."""
    return f"{prefix}_{int(current_source().clock() * 1_000_000)}_{secrets.token_hex(_ID_BYTES)}"


def get_node(options: Mapping[str, Any] | None = None) -> str:
    """The `node` among the options, otherwise the local one."""
    return _named(options, "node")


def get_originating_node(options: Mapping[str, Any] | None = None) -> str:
    """The `originating_node` among the options, otherwise the local one."""
    return _named(options, "originating_node")


def get_reporting_node(options: Mapping[str, Any] | None = None) -> str:
    """The `reporting_node` among the options, otherwise the local one."""
    return _named(options, "reporting_node")


def _named(options: Mapping[str, Any] | None, name: str) -> str:
    given = (options or {}).get(name)
    return self_node() if given is None else str(given)


def cluster_context(connected: Iterable[str] = ()) -> dict[str, Any]:
    """The local node within its cluster; `connected` names the nodes that it has a link to."""
    node, others = self_node(), list(connected)
    return {
        "node_name": node,
        "connected_nodes": others,
        "cluster_size": len(others) + 1,
        "node_type": _node_type(node),
    }


def _node_type(node: str) -> str:
    # The gateway first: some are called ex_esdb_gater.
    for word, kind in (("gater", "gater_node"), ("ex_esdb", "ex_esdb_node")):
        if word in node:
            return kind
    return "unknown"


def enrich_metadata(metadata: Mapping[str, Any] | None = None, connected: Iterable[str] = ()) -> dict[str, Any]:
    """The metadata with `message_id`, `timestamp` and the fields of the cluster context; what is given stays."""
    added = {"message_id": generate_message_id(), "timestamp": current_timestamp(), **cluster_context(connected)}
    return {**added, **(metadata or {})}
