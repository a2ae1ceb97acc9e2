"""What consumers wrote down of their deliveries, what was said of the checkpoint, and the promises about both."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Self

from gater import Event

ACK = "ack"
RETRY = "retry"


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A delivery as a consumer met it, and what it was about to say of it."""

    position: int
    stream_id: str
    version: int
    attempt: int
    receipt: int
    action: str
    at: int
    """Nanoseconds of the machine's monotonic clock, the same for all processes."""

    def to_line(self) -> bytes:
        """One line of a consumer's log."""
        fields = (
            self.position,
            self.stream_id,
            self.version,
            self.attempt,
            self.receipt,
            self.action,
            self.at,
        )
        return " ".join(map(str, fields)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        position, stream_id, version, attempt, receipt, action, at = line.split(" ")
        return cls(int(position), stream_id, int(version), int(attempt), int(receipt), action, int(at))


def read_logs(folder: Path) -> list[LoggedDelivery]:
    """The lines of all consumers in the order in which they were written; one that a kill cut short does not count."""
    lines = [
        LoggedDelivery.from_line(line)
        for log in folder.glob("*.log")
        for line in log.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]
    return sorted(lines, key=lambda logged: logged.at)


@dataclass
class Course:
    """How far a subscription had come, as far as the node said."""

    checkpoints: list[tuple[int, int]] = field(default_factory=list)
    """The monotonic time of an answer, and the checkpoint in it, in the order of the answers."""
    starts: list[tuple[int, int]] = field(default_factory=list)
    """The receipts that had been claimed when a node was started, and the highest checkpoint that was known then.

    A node claims receipts that are greater than all before, so that they tell which node gave them.
    """

    @property
    def checkpoint(self) -> int:
        """The highest that was told."""
        return max((checkpoint for _, checkpoint in self.checkpoints), default=0)


def delivery_violations(logged: Sequence[LoggedDelivery], course: Course, content: Sequence[Event]) -> list[str]:
    """What contradicts the promises, the first of each kind; `content` is the whole store, which was consumed."""
    acked: dict[int, int] = {}
    for line in logged:
        if line.action == ACK:
            acked.setdefault(line.position, line.at)
    return [
        *_as_stored(logged, content),
        *_all_consumed(acked, content),
        *_in_order(logged),
        *_checkpoint_goes_forward(course),
        *_checkpoint_follows(acked, course, content),
        *_checkpointed_stays_settled(logged, course),
    ]


def _as_stored(logged: Sequence[LoggedDelivery], content: Sequence[Event]) -> Iterable[str]:
    places = {event.position: (event.stream_id, event.version) for event in content}
    for line in logged:
        if places.get(line.position) != (line.stream_id, line.version):
            yield f"{line} was delivered, {places.get(line.position)} is stored there"
            return


def _all_consumed(acked: dict[int, int], content: Sequence[Event]) -> Iterable[str]:
    missing = [event.position for event in content if event.position not in acked]
    if missing:
        yield f"{len(missing)} events were never acknowledged by a consumer, the first at position {missing[0]}"


def _in_order(logged: Sequence[LoggedDelivery]) -> Iterable[str]:
    """Nobody is given an event of a stream before somebody has acknowledged the one before it."""
    reached: dict[str, int] = {}
    for line in logged:
        acknowledged = reached.get(line.stream_id, -1)
        if line.version > acknowledged + 1:
            yield f"{line} was delivered when version {acknowledged} of its stream was the last acknowledged"
            return
        if line.action == ACK:
            reached[line.stream_id] = max(acknowledged, line.version)


def _checkpoint_goes_forward(course: Course) -> Iterable[str]:
    highest = 0
    for _, checkpoint in course.checkpoints:
        if checkpoint < highest:
            yield f"the checkpoint went back from {highest} to {checkpoint}"
            return
        highest = checkpoint


def _checkpoint_follows(acked: dict[int, int], course: Course, content: Sequence[Event]) -> Iterable[str]:
    """When a checkpoint is told, everything up to it is in somebody's log."""
    never = 1 << 63
    complete = [0, *accumulate((acked.get(event.position, never) for event in content), max)]
    for at, checkpoint in course.checkpoints:
        if checkpoint >= len(complete) or complete[checkpoint] > at:
            yield f"the checkpoint was {checkpoint} before everything up to it was acknowledged"
            return


def _checkpointed_stays_settled(logged: Sequence[LoggedDelivery], course: Course) -> Iterable[str]:
    """What a node said was settled is not delivered again by the nodes after it."""
    starts = [started for started, _ in course.starts]
    for line in logged:
        node = bisect_left(starts, line.receipt) - 1
        if node >= 0 and line.position <= course.starts[node][1]:
            yield f"{line} was delivered although the checkpoint had been {course.starts[node][1]} before that node"
            return
