"""Messages in several frames are put together, within a bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.wire.codec import MalformedError
from gater.wire.fragments import Fragments


@given(st.lists(st.binary(), min_size=2))
def test_parts_become_one_message(parts: list[bytes]) -> None:
    fragments = Fragments(1 << 20)
    for number, part in enumerate(parts[:-1]):
        assert fragments.add(part, first=number == 0, last=False) is None
        assert fragments.unfinished
    assert fragments.add(parts[-1], first=False, last=True) == b"".join(parts)
    assert not fragments.unfinished


def test_message_that_begins_before_the_last_one_ended_is_refused() -> None:
    fragments = Fragments(100)
    fragments.add(b"a", first=True, last=False)
    with pytest.raises(MalformedError):
        fragments.add(b"b", first=True, last=True)


def test_part_of_no_message_is_refused() -> None:
    with pytest.raises(MalformedError):
        Fragments(100).add(b"a", first=False, last=True)


def test_message_above_the_limit_is_refused() -> None:
    fragments = Fragments(3)
    fragments.add(b"ab", first=True, last=False)
    with pytest.raises(MalformedError):
        fragments.add(b"cd", first=False, last=True)
