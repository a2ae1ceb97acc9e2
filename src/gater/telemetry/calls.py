"""The calls of a node's API: how many, how long they took, and which errors they met, by operation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from gater.model import errors
from gater.model.errors import GaterError
from gater.model.outcome import Done
from gater.telemetry.histogram import Histogram
from gater.telemetry.tally import OTHER, Tally

log = logging.getLogger(__name__)

SLOW_CALL_SECONDS: Final = 5.0
"""A call that took longer is worth an alert."""
MOST_OPERATIONS: Final = 200
"""Operations that are told apart; the names come from the catalogue of the API, which is smaller."""


def _codes(*branches: type[GaterError]) -> frozenset[str]:
    """The codes of these errors and of all below them; the branches that are never raised have none of their own."""
    found: set[str] = set()
    for branch in branches:
        if "code" in vars(branch):
            found.add(branch.code)
        found |= _codes(*branch.__subclasses__())
    return frozenset(found)


REFUSALS: Final = _codes(
    errors.InvalidRequestError,
    errors.ConflictError,
    errors.NotFoundError,
    errors.AccessError,
    errors.MessageError,
)
"""Codes of errors that are the right answer to a call. Every other code is a failure, and speaks against the node."""


class OperationCalls:
    """The calls of one operation. Numbers only grow, except those of what is under way."""

    __slots__ = ("current", "durations", "errors", "operation", "started", "streams_open", "streams_opened")

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.started = 0
        self.current = 0
        """Calls under way."""
        self.durations = Histogram()
        """Of the calls that were answered, with an error or without."""
        self.errors = Tally()
        """By code; of calls and of streams."""
        self.streams_opened = 0
        self.streams_open = 0

    @property
    def failures(self) -> int:
        """Errors that were not the right answer."""
        return sum(count for code, count in self.errors.as_dict().items() if code not in REFUSALS)

    def clear(self) -> None:
        """Begin again; what is under way still is."""
        self.started = self.streams_opened = 0
        self.durations.clear()
        self.errors.clear()


class SlowCall(NamedTuple):
    """A call that took longer than SLOW_CALL_SECONDS."""

    operation: str
    seconds: float


class FailedCall(NamedTuple):
    """A call or a stream (`seconds` is 0) that ended in an error which speaks against the node."""

    operation: str
    seconds: float
    code: str


CallTrouble: TypeAlias = SlowCall | FailedCall
OnTrouble: TypeAlias = Callable[[CallTrouble], object]


class Calls:
    """Counts every call. It belongs to the event loop and is on the way of each one, so it does no more than count."""

    def __init__(self, on_trouble: OnTrouble, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` gives seconds from any beginning."""
        self._on_trouble = on_trouble
        self._clock = clock
        self._operations: dict[str, OperationCalls] = {}

    def __iter__(self) -> Iterator[OperationCalls]:
        """The operations that were ever called, in the order of their first calls."""
        return iter(tuple(self._operations.values()))

    def counted(self, operation: str, answered: Done) -> Done:
        """Begin a call, and wrap who takes its answer so that the call ends with it."""
        calls = self._operations.get(operation) or self._first(operation)
        calls.started += 1
        calls.current += 1
        clock = self._clock
        began = clock()

        def end_and_answer(answer: Any, error: GaterError | None) -> None:
            seconds = clock() - began
            if calls.current:
                calls.current -= 1
            calls.durations.observe(seconds)
            if error is not None or seconds > SLOW_CALL_SECONDS:
                self._note_shielded(calls, seconds, None if error is None else error.code)
            answered(answer, error)

        return end_and_answer

    def open_stream(self, operation: str) -> OperationCalls:
        """Count a stream that is opened; the result is given to `close_stream`. Its duration is not measured."""
        calls = self._operations.get(operation) or self._first(operation)
        calls.streams_opened += 1
        calls.streams_open += 1
        return calls

    def close_stream(self, calls: OperationCalls, code: str | None = None) -> None:
        """A stream has ended, with the error of this code if there is one."""
        if calls.streams_open:
            calls.streams_open -= 1
        if code is not None:
            self._note_trouble(calls, 0.0, code)

    def clear(self) -> None:
        """Begin to count again; the calls and streams under way still are."""
        for calls in self._operations.values():
            calls.clear()

    def _first(self, operation: str) -> OperationCalls:
        if len(self._operations) >= MOST_OPERATIONS:
            operation = OTHER
        return self._operations.setdefault(operation, OperationCalls(operation))

    def _note_shielded(self, calls: OperationCalls, seconds: float, code: str | None) -> None:
        """Note trouble; when that fails it is logged, for an answer waits to leave."""
        try:
            self._note_trouble(calls, seconds, code)
        except Exception:
            log.exception("a call cannot be told of", extra={"operation": calls.operation})

    def _note_trouble(self, calls: OperationCalls, seconds: float, code: str | None) -> None:
        if code is not None:
            calls.errors.add(code)
        if seconds > SLOW_CALL_SECONDS:
            self._on_trouble(SlowCall(calls.operation, seconds))
        if code is not None and code not in REFUSALS:
            self._on_trouble(FailedCall(calls.operation, seconds, code))

    # --- all operations together ---

    @property
    def answered(self) -> int:
        """Calls that were answered."""
        return sum(calls.durations.count for calls in self._operations.values())

    @property
    def failures(self) -> int:
        """Calls and streams that ended in an error which was not the right answer."""
        return sum(calls.failures for calls in self._operations.values())

    @property
    def mean_seconds(self) -> float:
        """The average duration of a call; 0 when there was none."""
        answered = self.answered
        return sum(calls.durations.seconds for calls in self._operations.values()) / answered if answered else 0.0

    def figures(self) -> dict[str, Any]:
        """The numbers as a map, as `get_metrics` shows them."""
        by_code = Tally()
        for calls in self._operations.values():
            for code, count in calls.errors.as_dict().items():
                by_code.add(code, count)
        return {
            "total": self.answered,
            "errors": by_code.total,
            "failures": self.failures,
            "avg_duration_us": self.mean_seconds * 1e6,
            "current_calls": sum(calls.current for calls in self._operations.values()),
            "by_function": {
                calls.operation: calls.started + calls.streams_opened
                for calls in self._operations.values()
                if calls.started or calls.streams_opened
            },
            "errors_by_code": by_code.as_dict(),
            "open_streams": sum(calls.streams_open for calls in self._operations.values()),
        }
