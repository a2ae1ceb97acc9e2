"""The rule by which the event loop waits for a caller that is alone."""

from __future__ import annotations

from gater.store.lone_caller import LONELY_BATCHES, SLOW_BATCHES, LoneCaller


def waits(caller: LoneCaller, batches: int) -> list[bool]:
    return [caller.is_waited_for(alone=True) for _ in range(batches)]


def test_a_caller_is_waited_for_after_some_batches_alone() -> None:
    caller = LoneCaller()
    assert waits(caller, LONELY_BATCHES + 2) == [False] * LONELY_BATCHES + [True, True]


def test_another_caller_ends_the_practice() -> None:
    caller = LoneCaller()
    waits(caller, LONELY_BATCHES + 1)
    assert not caller.is_waited_for(alone=False)
    assert waits(caller, LONELY_BATCHES + 1) == [False] * LONELY_BATCHES + [True]


def test_a_slow_write_ends_the_practice_for_long_whoever_else_calls() -> None:
    caller = LoneCaller()
    waits(caller, LONELY_BATCHES + 1)
    caller.was_slow()
    assert not caller.is_waited_for(alone=False)
    found = waits(caller, SLOW_BATCHES + LONELY_BATCHES + 1)
    assert found == [False] * (SLOW_BATCHES + LONELY_BATCHES) + [True]
