"""Forwarding log lines as messages, without ever disturbing the code that logs."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec

from gater.telemetry.logs import component_of, record_fields

MOST_A_SECOND: Final = 100
"""Lines passed on in one second; those beyond are counted, and the next line passed on comes after one that says how
many they were."""
MOST_WAITING: Final = 1_000
"""Lines that wait for the event loop; one that comes then is counted as left out."""
MOST_CHARACTERS: Final = 8_192
"""Characters of a message, and of a field that is text, that are passed on."""

Publish: TypeAlias = Callable[[str, str, str, dict[str, Any], datetime], object]
"""Takes level, component, message, fields (plain data) and time (UTC)."""
HandOver: TypeAlias = Callable[[Callable[[], None]], object]
"""Has a function called soon, on the thread that publishes: `loop.call_soon_threadsafe`."""

_Line: TypeAlias = tuple[str, str, str, dict[str, Any], datetime]


class LogForwarder(logging.Handler):
    """Passes on lines of `level` and above, from any thread.

    Publishing may itself log: what is logged by `publish` is not passed on. A subscriber that answers each line with
    a line of its own is held by MOST_A_SECOND. Nothing is raised; what could not be passed on is counted.
    """

    def __init__(self, publish: Publish, hand_over: HandOver | None = None, level: int = logging.WARNING) -> None:
        """Without `hand_over`, `publish` is called where the line was logged."""
        super().__init__(level)
        self.left_out = 0
        """Lines that were not passed on, ever."""
        self._publish = publish
        self._hand_over = hand_over
        self._waiting: deque[_Line] = deque()
        self._scheduled = False
        self._publishing = threading.local()
        self._second = 0
        self._taken = 0
        """Lines taken in this second."""
        self._untold = 0
        """Lines left out since the last line that said so."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a line; `logging` calls this for one thread at a time."""
        if getattr(self._publishing, "now", False):
            return
        taken = False
        with suppress(Exception):
            taken = self._take(record)
        if not taken:
            self._leave_out(1)
        elif self._hand_over is None:
            self._drain()
        elif not self._scheduled:
            self._drain_soon(self._hand_over)

    def _take(self, record: logging.LogRecord) -> bool:
        second = int(record.created)
        if second != self._second:
            self._second, self._taken = second, 0
        if self._taken >= MOST_A_SECOND or len(self._waiting) >= MOST_WAITING:
            return False
        line = _line(record)
        self._taken += 1
        if self._untold:
            facts, self._untold = {"count": self._untold}, 0
            self._waiting.append(("warning", "telemetry", "log lines were left out", facts, line[-1]))
        self._waiting.append(line)
        return True

    def _drain_soon(self, hand_over: HandOver) -> None:
        self._scheduled = True
        handed_over = False
        with suppress(Exception):  # the loop may be closed: then nobody will read these lines
            hand_over(self._drain)
            handed_over = True
        if not handed_over:
            self._scheduled = False
            self._leave_out(len(self._waiting))
            self._waiting.clear()

    def _drain(self) -> None:
        """Publish what waits."""
        self._scheduled = False
        self._publishing.now = True
        try:
            while self._waiting:
                self._publish_one(self._waiting.popleft())
        finally:
            self._publishing.now = False

    def _publish_one(self, line: _Line) -> None:
        published = False
        with suppress(Exception):
            self._publish(*line)
            published = True
        if not published:
            self._leave_out(1)

    def _leave_out(self, count: int) -> None:
        self.left_out += count
        self._untold += count


def log_topics(component: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The topics of a line on the logging instance: that of its component, and that of its store if it names one."""
    store = fields.get("store")
    topic = f"logging:{component}"
    return (topic, f"logging:store:{store}") if isinstance(store, str) and store else (topic,)


def log_event(level: str, component: str, message: str, fields: Mapping[str, Any], time: datetime) -> dict[str, Any]:
    """A line as the body of a `log_event` message; `pid` is the number of this process.

    `event_type` is the field `event_type` of the line (`startup`, `shutdown`), otherwise it follows from the level.
    """
    by_level = "error" if level in ("error", "critical") else "health" if level == "warning" else "action"
    return {
        "component": component,
        "event_type": fields.get("event_type", by_level),
        "store_id": fields.get("store"),
        "pid": os.getpid(),
        "timestamp": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "message": message,
        "metadata": {"level": level, **fields},
    }


def _line(record: logging.LogRecord) -> _Line:
    given = record_fields(record)
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        given["exception"] = f"{type(error).__name__}: {error}"
    plain = msgspec.to_builtins(given, enc_hook=str, str_keys=True)
    fields = {name: _cut(value) if isinstance(value, str) else value for name, value in plain.items()}
    time = datetime.fromtimestamp(record.created, UTC)
    return record.levelname.lower(), component_of(record), _cut(record.getMessage()), fields, time


def _cut(text: str) -> str:
    return text[:MOST_CHARACTERS]
