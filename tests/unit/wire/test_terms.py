"""Both sides learn the same limits."""

from __future__ import annotations

import pytest

from gater.model.limits import Limits
from gater.wire.terms import FULL_BUNDLE_BYTES, largest_client_message, largest_request, limit_headers, read_limits


def test_client_reads_the_limits_that_the_server_tells() -> None:
    limits = Limits(max_event_bytes=5, max_request_bytes=7)
    told = read_limits(limit_headers(limits))
    assert (told.max_event_bytes, told.max_request_bytes) == (5, 7)


@pytest.mark.parametrize("text", ["", "-1", "many", "१", "9" * 100])
def test_defaults_stand_in_for_what_is_no_number(text: str) -> None:
    assert read_limits(dict.fromkeys(limit_headers(Limits()), text)) == Limits()


def test_full_bundle_and_the_largest_request_fit_into_a_message() -> None:
    limits = Limits(max_request_bytes=1_000)
    assert largest_request(limits) + FULL_BUNDLE_BYTES <= largest_client_message(limits)
