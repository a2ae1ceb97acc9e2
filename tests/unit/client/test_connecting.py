"""What `connect` takes."""

from __future__ import annotations

from typing import Any

import pytest

from gater.client.connecting import connect
from gater.model.errors import InvalidArgumentError


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "5", True, None])
def test_time_must_be_a_number_of_seconds(timeout: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        connect("localhost", timeout=timeout)
    assert refused.value.argument == "timeout"


@pytest.mark.parametrize("token", ["", "a\r\nX-Admin: yes", "tökén", b"secret", 7])
def test_token_must_fit_into_a_header(token: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        connect("localhost", token=token)
    assert refused.value.argument == "token"


def test_connecting_needs_no_event_loop() -> None:
    connect("localhost", token="secret", timeout=1)
