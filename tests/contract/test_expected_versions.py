"""Which expected versions each state of a stream accepts, and what a refusal says."""

from __future__ import annotations

from typing import Final

import pytest

from gater import ANY, NO_STREAM, STREAM_EXISTS, GaterApi, InvalidArgumentError, WrongExpectedVersionError
from gater.model.errors import StreamDeletedError
from tests.contract.samples import numbered, refused

LAST: Final = 2

ACCEPTED: Final = {
    "unknown": {NO_STREAM, ANY},
    "live": {LAST, ANY, STREAM_EXISTS},
    "truncated": {LAST, ANY, STREAM_EXISTS},
    "truncated-whole": {LAST, ANY, STREAM_EXISTS},
    "deleted": {LAST, NO_STREAM, ANY},
    "deleted-compacted": {LAST, NO_STREAM, ANY},
    "revived": {LAST, ANY, STREAM_EXISTS},
}
FORMS: Final = [ANY, NO_STREAM, STREAM_EXISTS, 0, LAST - 1, LAST, LAST + 1, (1 << 63) - 1]


async def bring_to(api: GaterApi, store: str, state: str) -> int:
    """Bring the stream `s` to a state; returns its version."""
    if state == "unknown":
        return -1
    await api.append_events(store, "s", numbered(LAST if state == "revived" else LAST + 1))
    if state in ("deleted", "deleted-compacted", "revived"):
        await api.delete_stream(store, "s")
    if state == "deleted-compacted":
        await api.compact_store(store)
    if state == "revived":
        await api.append_events(store, "s", numbered(1))
    if state == "truncated":
        await api.truncate_stream(store, "s", 1)
    if state == "truncated-whole":
        await api.truncate_stream(store, "s", 100)
    return LAST


@pytest.mark.parametrize("state", ACCEPTED)
async def test_each_state_accepts_its_expected_versions_only(api: GaterApi, store: str, state: str) -> None:
    version = await bring_to(api, store, state)
    before = await api.read_all(store)
    for expected in set(FORMS) - ACCEPTED[state]:
        with refused(WrongExpectedVersionError, stream_id="s", expected=expected, actual=version):
            await api.append_events(store, "s", numbered(1), expected)
        with refused(WrongExpectedVersionError, stream_id="s", expected=expected, actual=version):
            await api.append_events(store, "s", [], expected)
        with refused(WrongExpectedVersionError, stream_id="s", expected=expected, actual=version):
            await api.delete_stream(store, "s", expected)
    assert await api.get_version(store, "s") == version
    assert await api.read_all(store) == before
    for expected in ACCEPTED[state]:
        assert (await api.append_events(store, "s", [], expected)).version == version


@pytest.mark.parametrize(("state", "expected"), [(state, form) for state in ACCEPTED for form in ACCEPTED[state]])
async def test_an_accepted_append_goes_on_behind_the_version(
    api: GaterApi, store: str, state: str, expected: int
) -> None:
    version = await bring_to(api, store, state)
    assert (await api.append_events(store, "s", numbered(2), expected)).version == version + 2
    assert await api.get_version(store, "s") == version + 2


@pytest.mark.parametrize("expected", [*FORMS, "any"])
async def test_a_tombstoned_stream_accepts_nothing(api: GaterApi, store: str, expected: int | str) -> None:
    await bring_to(api, store, "live")
    await api.delete_stream(store, "s", tombstone=True)
    with refused(StreamDeletedError, stream_id="s"):
        await api.append_events(store, "s", numbered(1), expected)
    with refused(StreamDeletedError, stream_id="s"):
        await api.append_events(store, "s", [], expected)


async def test_words_stand_for_the_codes(api: GaterApi, store: str) -> None:
    with refused(WrongExpectedVersionError, expected=STREAM_EXISTS, actual=-1):
        await api.append_events(store, "s", numbered(1), "stream_exists")
    assert (await api.append_events(store, "s", numbered(1), "no_stream")).version == 0
    with refused(WrongExpectedVersionError, expected=NO_STREAM, actual=0):
        await api.append_events(store, "s", numbered(1), "no_stream")
    assert (await api.append_events(store, "s", numbered(1), "any")).version == 1
    assert (await api.append_events(store, "s", numbered(1), "stream_exists")).version == 2


@pytest.mark.parametrize("value", [-3, -5, 1.0, True, "ANY", "0", "", 1 << 63, 1 << 200, [0], None])
async def test_any_other_expected_version_is_refused(api: GaterApi, store: str, value: object) -> None:
    with refused(InvalidArgumentError, argument="expected_version"):
        await api.append_events(store, "s", numbered(1), value)  # type: ignore[arg-type]
    with refused(InvalidArgumentError, argument="expected_version"):
        await api.delete_stream(store, "s", value)  # type: ignore[arg-type]
    assert await api.get_version(store, "s") == -1
