"""A short slice of the consumers' fault run, in every test run; and the checker, which finds each kind of violation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from gater import Event
from tests.torture.consumers import kill_consumers_repeatedly
from tests.torture.deliveries import ACK, RETRY, Course, LoggedDelivery, delivery_violations, read_logs

KILLS = 12


@pytest.mark.torture
@pytest.mark.timeout(240)
def test_every_event_is_consumed_in_order_through_kill_9(tmp_path: Path) -> None:
    report = asyncio.run(kill_consumers_repeatedly(tmp_path, KILLS, seed=20_261_125))
    assert report.violations == []
    assert report.deliveries >= report.events > KILLS


def _event(stream_id: str, version: int, position: int) -> Event:
    event_id = UUID(int=position).bytes
    return Event(stream_id, version, position, event_id, "T", "application/json", b"null", None, 0)


def _delivery(position: int, at: int, action: str = ACK, *, attempt: int = 1, receipt: int = 10) -> LoggedDelivery:
    event = CONTENT[position - 1]
    return LoggedDelivery(position, event.stream_id, event.version, attempt, receipt, action, at)


CONTENT = [_event("a", 0, 1), _event("a", 1, 2), _event("b", 0, 3)]
SOUND = [_delivery(1, 10), _delivery(3, 20, RETRY), _delivery(2, 30), _delivery(3, 40, attempt=2)]


def _course() -> Course:
    return Course(checkpoints=[(5, 0), (15, 1), (50, 3)], starts=[(1, 0)])


def test_sound_deliveries_violate_nothing() -> None:
    assert delivery_violations(SOUND, _course(), CONTENT) == []


@pytest.mark.parametrize(
    ("logged", "words"),
    [
        pytest.param(SOUND[:3], "never acknowledged", id="lost-event"),
        pytest.param([_delivery(2, 5), *SOUND], "last acknowledged", id="out-of-order"),
        pytest.param([_delivery(1, 3, RETRY), _delivery(2, 5), *SOUND], "last acknowledged", id="too-early"),
        pytest.param([*SOUND, LoggedDelivery(1, "b", 0, 1, 10, ACK, 60)], "is stored there", id="another-event"),
        pytest.param([_delivery(1, 16), *SOUND[1:]], "before everything up to it", id="checkpoint-ahead"),
    ],
)
def test_broken_deliveries_are_found(logged: list[LoggedDelivery], words: str) -> None:
    assert any(words in violation for violation in delivery_violations(logged, _course(), CONTENT))


def test_checkpoint_that_goes_back_is_found() -> None:
    course = _course()
    course.checkpoints.append((60, 2))
    assert any("went back" in violation for violation in delivery_violations(SOUND, course, CONTENT))


def test_delivery_of_what_was_settled_before_a_start_is_found() -> None:
    course = _course()
    course.starts.append((20, 3))
    again = _delivery(1, 70, receipt=21)
    assert any("had been 3" in violation for violation in delivery_violations([*SOUND, again], course, CONTENT))


def test_line_that_was_cut_short_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "consumer-1.log").write_bytes(SOUND[1].to_line() + SOUND[2].to_line()[:-5])
    (tmp_path / "consumer-2.log").write_bytes(SOUND[0].to_line())
    assert read_logs(tmp_path) == [SOUND[0], SOUND[1]]
