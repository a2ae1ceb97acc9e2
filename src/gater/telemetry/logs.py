"""Log lines that carry fields: `key=value` text for people, JSON objects for machines."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What every log record has; all else came in as `extra` and is a field."""

_RESET: Final = "\x1b[0m"
_LEVEL_COLOURS: Final = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_BLUE, _MAGENTA, _GREEN, _CYAN = "\x1b[34m", "\x1b[35m", "\x1b[32m", "\x1b[36m"
_COMPONENT_COLOURS: Final = {
    **dict.fromkeys(("api", "client", "gateway", "server", "wire"), _GREEN),
    **dict.fromkeys(("config", "messages", "node", "pubsub", "store", "subscriptions", "telemetry"), _MAGENTA),
    "cluster": _CYAN,
}
"""A colour for each theme: green for the API, magenta for the system, cyan for the cluster; the rest, programs and
libraries, is blue."""

_QUIET: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "asyncio")
"""Loggers of libraries, of which only what went wrong is news."""


def configure_logging(level: str = "info", style: str = "text", stream: TextIO | None = None) -> None:
    """Write the log lines of this process to `stream` (stderr), from `level` up, as `text` or `json`.

    Replaces what was configured before. For programs: a library leaves logging to whoever uses it.
    """
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(colour=target.isatty()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def record_fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a log record: what was given as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def component_of(record: logging.LogRecord) -> str:
    """The part of Gater that speaks (`gater.server.http` is `server`), or the library's name."""
    parts = record.name.split(".")
    return parts[1] if parts[0] == "gater" and len(parts) > 1 else parts[0]


class TextFormatter(logging.Formatter):
    """`TIME LEVEL [component] message key=value …`, on one line unless there is a traceback."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        level, component = record.levelname.lower(), component_of(record)
        if self._colour:
            level = f"{_LEVEL_COLOURS.get(level, '')}{level}{_RESET}"
            component = f"{_COMPONENT_COLOURS.get(component, _BLUE)}{component}{_RESET}"
        words = [_timestamp(record), level, f"[{component}]", _one_line(record.getMessage())]
        words += [f"{name}={_value_text(value)}" for name, value in record_fields(record).items()]
        if record.exc_info:
            words.append("\n" + self.formatException(record.exc_info))
        return " ".join(words)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `component`, `message`, the fields, and `exception` after a failure."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        line = {
            **record_fields(record),
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "component": component_of(record),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value_text(value: Any) -> str:
    """A value as one word: numbers and collections as JSON, all else as its text, quoted when it is not one word."""
    if value is None or isinstance(value, bool | int | float | list | tuple | dict):
        return msgspec.json.encode(value, enc_hook=str).decode()
    text = str(value)
    plain = text and text.isprintable() and not any(character in text for character in ' "=')
    return text if plain else msgspec.json.encode(text).decode()


def _one_line(text: str) -> str:
    """The text without line breaks and control characters, so that no caller can forge a log line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
