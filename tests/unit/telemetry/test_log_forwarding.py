"""Log lines passed on as messages: which, how many, and that nothing comes back."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gater.telemetry import log_forwarding
from gater.telemetry.log_forwarding import HandOver, LogForwarder, log_event, log_topics

log = logging.getLogger("gater.store.local_log")


class Paper:
    """Keeps what is published, and may do something of its own each time."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str, dict[str, Any], datetime]] = []
        self.each_time: Callable[[], None] = lambda: None

    def publish(self, level: str, component: str, message: str, fields: dict[str, Any], time: datetime) -> None:
        self.lines.append((level, component, message, fields, time))
        self.each_time()

    @property
    def messages(self) -> list[str]:
        return [line[2] for line in self.lines]


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def attach() -> Iterator[Callable[..., LogForwarder]]:
    attached: list[LogForwarder] = []

    def attach(paper: Paper, hand_over: HandOver | None = None) -> LogForwarder:
        forwarder = LogForwarder(paper.publish, hand_over)
        attached.append(forwarder)
        logging.getLogger().addHandler(forwarder)
        return forwarder

    yield attach
    for forwarder in attached:
        logging.getLogger().removeHandler(forwarder)


def record_of(message: str, second: int, level: int = logging.WARNING) -> logging.LogRecord:
    record = logging.LogRecord("gater.node", level, "", 0, message, (), None)
    record.created = float(second)
    return record


Attach = Callable[..., LogForwarder]


def test_line_is_passed_on_with_its_fields(paper: Paper, attach: Attach) -> None:
    attach(paper)
    log.warning("slow %s", "disk", extra={"store": "orders", "at": Path("x"), "seconds": 1.5})
    ((level, component, message, fields, time),) = paper.lines
    assert (level, component, message) == ("warning", "store", "slow disk")
    assert fields == {"store": "orders", "at": "x", "seconds": 1.5}
    assert time.tzinfo is UTC


@pytest.mark.parametrize(("level", "count"), [("debug", 0), ("info", 0), ("warning", 1), ("error", 1), ("critical", 1)])
def test_only_warnings_and_worse_are_passed_on(paper: Paper, attach: Attach, level: str, count: int) -> None:
    attach(paper)
    getattr(log, level)("look")
    assert [line[0] for line in paper.lines] == [level] * count


def test_failure_is_passed_on_in_one_line(paper: Paper, attach: Attach) -> None:
    attach(paper)
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("a defect")
    assert paper.lines[0][3] == {"exception": "ValueError: broken"}


def test_long_text_is_cut(paper: Paper, attach: Attach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_forwarding, "MOST_CHARACTERS", 4)
    attach(paper)
    log.warning("a long line", extra={"why": "a long reason"})
    assert paper.lines[0][2:4] == ("a lo", {"why": "a lo"})


def test_what_publishing_logs_is_not_passed_on(paper: Paper, attach: Attach) -> None:
    attach(paper)
    paper.each_time = lambda: log.warning("a subscriber is slow")
    log.warning("first")
    log.warning("second")
    assert paper.messages == ["first", "second"]


def test_failing_publisher_is_not_noticed_by_who_logs(paper: Paper, attach: Attach) -> None:
    forwarder = attach(paper)

    def fail() -> None:
        raise RuntimeError("no bus")

    paper.each_time = fail
    log.warning("first")
    assert forwarder.left_out == 1
    paper.each_time = lambda: None
    log.warning("second")
    assert paper.messages == ["first", "log lines were left out", "second"]


class Unspeakable:
    """Cannot be made text."""

    def __str__(self) -> str:
        raise ValueError("no words")


def test_line_that_cannot_be_written_is_counted(paper: Paper) -> None:
    forwarder = LogForwarder(paper.publish)
    record = record_of("%d", 1)
    record.args = ("not a number",)
    forwarder.handle(record)
    record = record_of("fine", 1)
    record.what = Unspeakable()
    forwarder.handle(record)
    assert (paper.lines, forwarder.left_out) == ([], 2)


def test_lines_of_a_second_are_bounded_and_the_next_second_says_how_many_were_left_out(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_forwarding, "MOST_A_SECOND", 3)
    forwarder = LogForwarder(paper.publish)
    for number in range(10):
        forwarder.handle(record_of(f"line {number}", 1_000))
    forwarder.handle(record_of("later", 1_001))
    assert paper.messages == ["line 0", "line 1", "line 2", "log lines were left out", "later"]
    assert paper.lines[3][3] == {"count": 7}
    assert forwarder.left_out == 7


def test_lines_that_wait_are_bounded(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_forwarding, "MOST_WAITING", 3)
    later: list[Callable[[], None]] = []
    forwarder = LogForwarder(paper.publish, later.append)
    for number in range(5):
        forwarder.handle(record_of(f"line {number}", number))
    assert len(later) == 1
    later.pop()()
    assert paper.messages == ["line 0", "line 1", "line 2"]
    assert forwarder.left_out == 2


def test_lines_are_handed_over_again_after_each_time(paper: Paper) -> None:
    later: list[Callable[[], None]] = []
    forwarder = LogForwarder(paper.publish, later.append)
    for second in range(3):
        forwarder.handle(record_of(f"line {second}", second))
        later.pop()()
    assert paper.messages == ["line 0", "line 1", "line 2"]


def test_closed_loop_is_not_noticed_by_who_logs(paper: Paper) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    forwarder = LogForwarder(paper.publish, loop.call_soon_threadsafe)
    forwarder.handle(record_of("first", 1))
    forwarder.handle(record_of("second", 2))
    assert (paper.lines, forwarder.left_out) == ([], 3)


async def test_lines_of_other_threads_are_published_on_the_event_loop(paper: Paper, attach: Attach) -> None:
    attach(paper, asyncio.get_running_loop().call_soon_threadsafe)
    threads: set[int] = set()
    done = asyncio.Event()

    def note() -> None:
        threads.add(threading.get_ident())
        if len(paper.lines) == 20:
            done.set()

    paper.each_time = note
    await asyncio.gather(*(asyncio.to_thread(log.warning, "line %d", number) for number in range(20)))
    await done.wait()
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    ("fields", "topics"),
    [
        ({}, ("logging:store",)),
        ({"store": "orders"}, ("logging:store", "logging:store:orders")),
        ({"store": ""}, ("logging:store",)),
        ({"store": 5}, ("logging:store",)),
    ],
)
def test_topics_are_those_of_the_component_and_the_store(fields: dict[str, Any], topics: tuple[str, ...]) -> None:
    assert log_topics("store", fields) == topics


@pytest.mark.parametrize(("level", "kind"), [("warning", "health"), ("error", "error"), ("critical", "error")])
def test_log_event_has_the_fields_of_the_reference(level: str, kind: str) -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert log_event(level, "store", "full", {"store": "orders", "free": 0}, time) == {
        "component": "store",
        "event_type": kind,
        "store_id": "orders",
        "pid": os.getpid(),
        "timestamp": "2026-01-02T03:04:05.000Z",
        "message": "full",
        "metadata": {"level": level, "store": "orders", "free": 0},
    }


def test_a_line_may_say_what_kind_of_event_it_is() -> None:
    event = log_event("info", "node", "node started", {"event_type": "startup"}, datetime.now(UTC))
    assert event["event_type"] == "startup"
    assert log_event("info", "node", "something", {}, datetime.now(UTC))["event_type"] == "action"
