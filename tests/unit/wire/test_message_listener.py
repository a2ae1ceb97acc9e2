"""The reasons of closing frames, which have little room."""

from __future__ import annotations

import pytest

from gater.wire.message_listener import CLOSE_REASON_BYTES, close_reason


@pytest.mark.parametrize("text", ["", "a part of no message", "x" * 123, "x" * 200, "x" + "ö" * 100, "漢" * 100])
def test_a_reason_is_cut_between_characters(text: str) -> None:
    reason = close_reason(text)
    assert text.startswith(reason.decode())
    assert min(len(text.encode()), CLOSE_REASON_BYTES) - 2 <= len(reason) <= CLOSE_REASON_BYTES
