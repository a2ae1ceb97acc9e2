"""The memory of a node, counted in bytes and divided into shares: what is past the end of one is refused there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MAX_MEMORY: Final = 256 << 20
"""Bytes that all shares have together, where nothing else is said."""
MESSAGES_BYTES: Final = 3 * MAX_MEMORY // 16
"""Bytes of messages that may wait for all subscribers of a process together, until a node has another budget."""
GROUPS_BYTES: Final = 3 * MAX_MEMORY // 16
"""Bytes of events that all consumer groups may keep together, where nothing else is said."""
LEAST_MEMORY: Final = 64 << 20
"""With less, a single page of a reader or a group would be too much."""


class Share:
    """The bytes that one kind of use may hold at a time; it belongs to the event loop."""

    __slots__ = ("limit", "name", "refused", "used")

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.used = 0
        self.refused = 0
        """How often there was no room."""

    def take(self, size: int) -> bool:
        """Count `size` bytes as used; False, and nothing counted but the refusal, when there is no room for them."""
        used = self.used + size
        if used > self.limit:
            self.refused += 1
            return False
        self.used = used
        return True

    def give_back(self, size: int) -> None:
        """Count `size` bytes as free again."""
        self.used -= size

    @property
    def room(self) -> int:
        """Bytes that are free."""
        return max(self.limit - self.used, 0)


def messages_share() -> Share:
    """The share of what waits for subscribers of pub/sub; a process has one, as it has one pub/sub."""
    return Share("messages", MESSAGES_BYTES)


class MemoryBudget:
    """The shares of one node."""

    def __init__(self, max_memory: int = MAX_MEMORY, max_request_bytes: int = 0) -> None:
        """`max_request_bytes`: two of the largest requests have room in any case, each as it is read and once more
        while it is decoded.
        """
        self.requests = Share("requests", max(3 * max_memory // 8, 4 * max_request_bytes))
        """Requests that come in, until they are carried out; one more is answered `overloaded`."""
        self.answers = Share("answers", 3 * max_memory // 16)
        """Answers that were written and are not read; more calls are answered `overloaded`, and streams wait."""
        self.groups = Share("groups", 3 * max_memory // 16)
        """Events that consumer groups keep; past it they let go of payloads, and read them again."""
        self.followers = Share("followers", max_memory // 16)
        """The newest events of all stores, for those who follow, and what is given to them in turns; past it the oldest
        go, and are read from the file.
        """
        self.messages_bytes = 3 * max_memory // 16
        """The limit of the share `messages`, which belongs to the pub/sub of the process."""

    def __iter__(self) -> Iterator[Share]:
        return iter((self.requests, self.answers, self.groups, self.followers))
