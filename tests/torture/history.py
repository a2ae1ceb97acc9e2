"""What the writers of a torture run did, and what they were told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Acknowledged:
    """An append that was answered: its event ids in order, and the version and position of the last."""

    stream_id: str
    event_ids: tuple[str, ...]
    version: int
    position: int


@dataclass
class History:
    """Everything the checker needs to know of a run."""

    attempted: dict[str, str] = field(default_factory=dict)
    """Event id to stream, noted before the event is first sent."""
    acknowledged: list[Acknowledged] = field(default_factory=list)
    followed: list[tuple[int, str]] = field(default_factory=list)
    """Position and event id of what a subscriber was given, in order."""
    errors: dict[str, int] = field(default_factory=dict)
    """How often each error code was met by a writer."""

    def count_error(self, code: str) -> None:
        """Note that a writer met an error."""
        self.errors[code] = self.errors.get(code, 0) + 1

    @property
    def events(self) -> int:
        """Events acknowledged so far."""
        return sum(len(entry.event_ids) for entry in self.acknowledged)
