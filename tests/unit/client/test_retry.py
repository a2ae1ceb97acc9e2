"""When the client tries again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.api.operations import AppendStreams, CreateStore, GetVersion, RemoveStore
from gater.client.retry import Backoff, may_connect_again, may_send_again
from gater.model.errors import (
    GaterError,
    OverloadedError,
    PermissionDeniedError,
    StoreUnavailableError,
    UnauthenticatedError,
)


def test_first_attempt_is_made_at_once() -> None:
    assert Backoff().delay(0, 1.0) == 0


def test_delay_doubles_up_to_a_bound() -> None:
    backoff = Backoff(first=0.1, longest=1.0)
    assert [backoff.delay(failures, 0.0) for failures in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_chance_shortens_the_delay_within_its_part(failures: int, chance: float) -> None:
    backoff = Backoff(first=0.1, longest=1.0, jitter=0.5)
    whole = backoff.delay(failures, 0.0)
    assert whole * 0.5 <= backoff.delay(failures, chance) <= whole


def test_repeatable_operation_is_sent_again() -> None:
    for operation in (AppendStreams("orders", ()), GetVersion("orders", "s")):
        assert may_send_again(operation, begun=True)


def test_other_operation_is_sent_again_only_if_it_was_not_begun() -> None:
    for operation in (CreateStore("orders"), RemoveStore("orders")):
        assert not may_send_again(operation, begun=True)
        assert may_send_again(operation, begun=False)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (StoreUnavailableError(), True),
        (OverloadedError(), False),
        (UnauthenticatedError(), False),
        (PermissionDeniedError(), False),
    ],
)
def test_refusal_decides_whether_to_connect_again(error: GaterError, again: bool) -> None:
    assert may_connect_again(error) is again
