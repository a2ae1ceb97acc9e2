"""Log lines with fields."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gater.telemetry.logs import configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_text_line_has_time_level_component_message_and_fields() -> None:
    stream = io.StringIO()
    configure_logging("info", "text", stream)
    logging.getLogger("gater.server.rpc").info(
        "client left", extra={"unsent_bytes": 5, "why": "two words", "at": Path("x")}
    )
    (line,) = lines(stream)
    time, rest = line.split(" ", 1)
    assert time.endswith("Z")
    assert rest == 'info [server] client left unsent_bytes=5 why="two words" at=x'


def test_json_line_is_an_object_with_the_same_facts() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("gater.node").warning("no %s", "luck", extra={"url": "http://x", "path": Path("x")})
    (line,) = map(json.loads, lines(stream))
    assert line.pop("time")
    assert line == {"level": "warning", "component": "node", "message": "no luck", "url": "http://x", "path": "x"}


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    configure_logging("warning", "text", stream)
    logging.getLogger("gater.node").info("nothing")
    assert not stream.getvalue()


def test_libraries_are_quiet() -> None:
    stream = io.StringIO()
    configure_logging("debug", "text", stream)
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("uvicorn.error").warning("odd")
    assert [line.partition(" ")[2] for line in lines(stream)] == ["warning [uvicorn] odd"]


@pytest.mark.parametrize("style", ["text", "json"])
def test_failure_is_shown_with_its_traceback(style: str) -> None:
    stream = io.StringIO()
    configure_logging("info", style, stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("gater.store").exception("a defect")
    assert "ValueError: broken" in stream.getvalue()
    assert len(lines(stream)) == 1 or style == "text"


def test_line_cannot_be_forged_by_what_callers_send() -> None:
    stream = io.StringIO()
    configure_logging("info", "text", stream)
    logging.getLogger("gater.server").info("refused\n2026 info forged", extra={"path": "/a\nforged"})
    assert len(lines(stream)) == 1


def test_terminal_gets_colours_and_a_file_does_not() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        configure_logging("info", "text", stream)
        logging.getLogger("gater.node").warning("look")
    assert "\x1b[33mwarning\x1b[0m" in terminal.getvalue()
    assert "\x1b" not in file.getvalue()


@pytest.mark.parametrize(
    ("logger", "colour"),
    [
        ("gater.gateway.gateway", "\x1b[32m"),
        ("gater.server.rpc", "\x1b[32m"),
        ("gater.node", "\x1b[35m"),
        ("gater.store.local_log", "\x1b[35m"),
        ("gater.cluster.monitor", "\x1b[36m"),
        ("gater.cli.serve", "\x1b[34m"),
        ("uvicorn.error", "\x1b[34m"),
    ],
)
def test_component_has_the_colour_of_its_theme(logger: str, colour: str) -> None:
    terminal = Terminal()
    configure_logging("info", "text", terminal)
    logging.getLogger(logger).warning("look")
    component = logger.split(".")[1] if logger.startswith("gater.") else "uvicorn"
    assert f"[{colour}{component}\x1b[0m]" in terminal.getvalue()
