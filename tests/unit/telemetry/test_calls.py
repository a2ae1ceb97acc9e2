"""Counting the calls of the API: what is under way, what was answered, which errors there were."""

from __future__ import annotations

from typing import Any

import pytest

from gater.model.errors import GaterError, OverloadedError, WrongExpectedVersionError
from gater.telemetry import calls as calls_module
from gater.telemetry.calls import (
    REFUSALS,
    SLOW_CALL_SECONDS,
    Calls,
    CallTrouble,
    FailedCall,
    OperationCalls,
    SlowCall,
)
from gater.telemetry.histogram import DURATION_BOUNDS
from gater.telemetry.tally import OTHER
from gater.wire.errors import ERRORS, HTTP_STATUS
from tests.unit.telemetry.hands import Clock, begin, end


class Troubles:
    def __init__(self) -> None:
        self.told: list[CallTrouble] = []

    def __call__(self, trouble: CallTrouble) -> None:
        self.told.append(trouble)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


@pytest.fixture
def calls(troubles: Troubles, clock: Clock) -> Calls:
    return Calls(troubles, clock)


def of(calls: Calls, operation: str) -> OperationCalls:
    return {each.operation: each for each in calls}[operation]


def test_a_call_is_under_way_until_it_is_answered(calls: Calls, clock: Clock) -> None:
    call = begin(calls, "read_all")
    assert of(calls, "read_all").current == 1
    clock.move(0.25)
    end(call)
    assert (of(calls, "read_all").current, calls.answered, calls.mean_seconds) == (0, 1, 0.25)


def test_each_operation_has_its_own_durations(calls: Calls, clock: Clock) -> None:
    for operation, seconds in (("a", 0.5), ("a", 1.0), ("b", 2.0)):
        call = begin(calls, operation)
        clock.move(seconds)
        end(call)
    assert of(calls, "a").durations.seconds == 1.5
    assert of(calls, "b").durations.cumulative()[-1][1] == 1


def test_figures_are_those_of_all_operations(calls: Calls, clock: Clock) -> None:
    for operation, code in (("a", None), ("a", "overloaded"), ("b", "not_found")):
        call = begin(calls, operation)
        clock.move(0.5)
        end(call, code)
    begin(calls, "b")
    calls.open_stream("c")
    assert calls.figures() == {
        "total": 3,
        "errors": 2,
        "failures": 1,
        "avg_duration_us": 500_000.0,
        "current_calls": 1,
        "by_function": {"a": 2, "b": 2, "c": 1},
        "errors_by_code": {"overloaded": 1, "not_found": 1},
        "open_streams": 1,
    }


def test_no_calls_have_no_mean(calls: Calls) -> None:
    assert calls.figures()["avg_duration_us"] == 0.0


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_an_error_is_a_failure_unless_it_is_the_right_answer(code: str) -> None:
    is_right = HTTP_STATUS[ERRORS[code]] < 500
    assert (code in REFUSALS) == is_right


@pytest.mark.parametrize(
    ("seconds", "code", "told"),
    [
        (0.1, None, None),
        (0.1, "wrong_expected_version", None),
        (0.1, "overloaded", "overloaded"),
        (0.1, "of_another_make", "of_another_make"),
        (SLOW_CALL_SECONDS, None, None),
        (SLOW_CALL_SECONDS + 0.1, None, None),
        (SLOW_CALL_SECONDS + 0.1, "not_found", None),
        (SLOW_CALL_SECONDS + 0.1, "timeout", "timeout"),
    ],
)
def test_trouble_is_told_of_slow_calls_and_failures(
    calls: Calls, clock: Clock, troubles: Troubles, seconds: float, code: str | None, told: str | None
) -> None:
    """`told` is the code of the failure that is told, if there is one."""
    call = begin(calls, "append")
    clock.move(seconds)
    end(call, code)
    expected: list[CallTrouble] = []
    if seconds > SLOW_CALL_SECONDS:
        expected.append(SlowCall("append", pytest.approx(seconds)))
    if told:
        expected.append(FailedCall("append", pytest.approx(seconds), told))
    assert troubles.told == expected
    assert [type(each) for each in troubles.told] == [type(each) for each in expected]


def test_a_call_that_goes_well_reads_the_clock_twice_and_leaves_nothing_behind(troubles: Troubles) -> None:
    looks = iter(range(2_000))
    calls = Calls(troubles, lambda: float(next(looks)))
    for _ in range(1_000):
        end(begin(calls, "append"))
    (only,) = calls
    assert next(looks, None) is None
    assert len(only.durations.cumulative()) == len(DURATION_BOUNDS) + 1
    assert only.errors.as_dict() == {}
    assert troubles.told == []


@pytest.mark.parametrize("error", [None, OverloadedError("the store", 1), WrongExpectedVersionError("s", 1, 2)])
def test_counted_passes_the_answer_on_and_ends_the_call(calls: Calls, error: GaterError | None) -> None:
    taken: list[tuple[Any, GaterError | None]] = []
    answered = calls.counted("append", lambda answer, error: taken.append((answer, error)))
    assert of(calls, "append").current == 1
    answered("yes", error)
    assert taken == [("yes", error)]
    assert of(calls, "append").current == 0
    assert of(calls, "append").errors.as_dict() == ({} if error is None else {error.code: 1})


def test_a_stream_is_open_until_it_is_closed_and_has_no_duration(
    calls: Calls, clock: Clock, troubles: Troubles
) -> None:
    stream = calls.open_stream("subscribe")
    clock.move(3_600)
    assert stream.streams_open == 1
    calls.close_stream(stream)
    assert (stream.streams_open, stream.streams_opened, stream.durations.count) == (0, 1, 0)
    assert troubles.told == []


def test_a_stream_that_fails_is_counted_and_told(calls: Calls, troubles: Troubles) -> None:
    calls.close_stream(calls.open_stream("subscribe"), "store_corrupt")
    assert calls.failures == 1
    assert troubles.told == [FailedCall("subscribe", 0.0, "store_corrupt")]


def test_reset_keeps_what_is_under_way(calls: Calls) -> None:
    ended, going, stream = begin(calls, "a"), begin(calls, "a"), calls.open_stream("s")
    end(ended, "overloaded")
    calls.clear()
    assert calls.figures() | {"total": 0, "errors": 0, "current_calls": 1, "open_streams": 1} == calls.figures()
    end(going)
    calls.close_stream(stream)
    assert calls.figures()["current_calls"] == calls.figures()["open_streams"] == 0


def test_what_ends_more_often_than_it_began_leaves_nothing_negative(calls: Calls) -> None:
    call, stream = begin(calls, "a"), calls.open_stream("a")
    for _ in range(3):
        end(call)
        calls.close_stream(stream)
    assert (of(calls, "a").current, of(calls, "a").streams_open) == (0, 0)


def test_operations_beyond_the_bound_are_counted_together(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "MOST_OPERATIONS", 2)
    for operation in ("a", "b", "c", "d", "a"):
        end(begin(calls, operation))
    assert calls.figures()["by_function"] == {"a": 2, "b": 1, OTHER: 2}


def test_a_call_is_slow_after_five_seconds() -> None:
    assert SLOW_CALL_SECONDS == 5
