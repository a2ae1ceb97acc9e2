"""Streams that go on after a broken connection: behind the last event, with bounded patience."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from operator import attrgetter
from typing import Any

import pytest

from gater import LIVE, Event, GaterApi, StoreNotFoundError, StoreUnavailableError
from gater.api import operations as op
from gater.api import resuming
from gater.api.operation import Operation, Seen, StreamingOperation
from gater.api.resuming import LONGEST_DELAY, backoff
from gater.api.subscription_operations import SubscribeOperation, SubscriptionPage
from gater.model.events import JSON

LOST = StoreUnavailableError(reason="the connection was lost")


def event(version: int, position: int | None = None) -> Event:
    return Event("a", version, version + 1 if position is None else position, bytes(16), "T", JSON, b"{}", None, 0)


class Flaky:
    """A caller on one stream of events; each of its streams breaks where the test says.

    A subscription ends with its events, so that tests end; a real one waits.
    """

    def __init__(
        self, count: int, breaks: list[int | None], *, resumes: bool = True, live: int = 0, patience: float = 30.0
    ) -> None:
        """`live` is where a subscription from now on begins."""
        self.resumes = resumes
        self.patience = patience
        self.opened: list[StreamingOperation[Any]] = []
        self.closed = 0
        self._live = live
        self._events = [event(version) for version in range(count)]
        self._breaks = iter(breaks)

    async def call(self, operation: Operation[Any], timeout: float | None = None) -> Any:
        raise AssertionError("a stream asks for nothing else")

    async def stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        self.opened.append(operation)
        ends_after = next(self._breaks, None)
        try:
            for sent, page in enumerate(self._pages(operation)):
                if ends_after is not None and sent >= ends_after:
                    raise LOST.again()
                yield page
            if ends_after is not None:
                raise LOST.again()
        finally:
            self.closed += 1

    def _pages(self, operation: Any) -> list[Any]:
        if isinstance(operation, SubscribeOperation):
            return self._followed(operation)
        wanted = self._wanted(operation)
        return [wanted[n : n + 2] for n in range(0, len(wanted), 2)] or [[]]

    def _followed(self, operation: SubscribeOperation) -> list[SubscriptionPage]:
        """What a server sends: one that begins from now on says first where that is."""
        is_live = operation.start_from == LIVE
        number = attrgetter("position" if operation.selector.stream_id is None else "version")
        begin = self._live if is_live else operation.start_from
        wanted = [e for e in self._events if number(e) >= begin]
        pages = [SubscriptionPage([], True, begin)] if is_live else []
        for n in range(0, len(wanted), 2):
            page = wanted[n : n + 2]
            pages.append(SubscriptionPage(page, is_live, number(page[-1]) + 1))
        return pages

    def _wanted(self, operation: Any) -> list[Event]:
        events = self._events
        if isinstance(operation, op.ScanAll):
            if operation.backward:
                return [e for e in events[::-1] if operation.after is None or e.position < operation.after]
            return [e for e in events if e.position > (operation.after or 0)]
        start = operation.start_version
        if operation.backward:
            return [e for e in events[::-1] if start is None or e.version <= start][: operation.count]
        return events[start:][: operation.count]

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waiting takes no time but on the clock; how long it would have been is noted."""
    waited: list[float] = []

    def noted(failures: int) -> float:
        waited.append(backoff(failures))
        return 0.0

    monkeypatch.setattr(resuming, "backoff", noted)
    monkeypatch.setattr(resuming, "monotonic", lambda: sum(waited))
    return waited


async def everything(events: AsyncGenerator[Event, None]) -> list[int]:
    async with aclosing(events):
        return [event.version async for event in events]


@pytest.mark.parametrize("breaks", [[], [0], [1], [2, 1, 0, 0, 1], [5], [1] * 9])
async def test_every_kind_of_read_goes_on_where_it_broke(breaks: list[int]) -> None:
    def api(count: int = 10) -> GaterApi:
        return GaterApi(Flaky(count, list(breaks)))

    assert await everything(api().stream_all("s")) == list(range(10))
    assert await everything(api().stream_all("s", None, "backward")) == list(range(9, -1, -1))
    assert await everything(api().stream_all("s", 4)) == list(range(4, 10))
    assert await everything(api().stream_forward("s", "a")) == list(range(10))
    assert await everything(api().stream_forward("s", "a", 2, 5)) == [2, 3, 4, 5, 6]
    assert await everything(api().stream_backward("s", "a")) == list(range(9, -1, -1))
    assert await everything(api().stream_backward("s", "a", 7, 5)) == [7, 6, 5, 4, 3]
    assert await everything(api().subscribe("s")) == list(range(10))
    assert await everything(api().subscribe("s", "by_stream", "a", 3)) == list(range(3, 10))


async def test_what_is_counted_is_not_read_again() -> None:
    caller = Flaky(10, [1, 1])
    assert await everything(GaterApi(caller).stream_forward("s", "a", 2, 4)) == [2, 3, 4, 5]
    assert [(o.start_version, o.count) for o in caller.opened if isinstance(o, op.ScanStream)] == [(2, 4), (4, 2)]


async def test_what_goes_on_says_what_it_has_seen() -> None:
    """So that the rest of another store is not taken for the rest of this one."""
    for read in (
        lambda api: api.stream_all("s"),
        lambda api: api.stream_forward("s", "a"),
        lambda api: api.subscribe("s"),
        lambda api: api.subscribe("s", "by_stream", "a"),
    ):
        caller = Flaky(6, [1, 0, 2])
        assert await everything(read(GaterApi(caller))) == list(range(6))
        seen: list[Any] = [operation.seen for operation in caller.opened]  # type: ignore[attr-defined]
        assert seen == [None, Seen(2, bytes(16)), Seen(2, bytes(16)), Seen(6, bytes(16))]


async def test_a_subscription_is_more_patient_than_a_read() -> None:
    with pytest.raises(StoreUnavailableError):
        await everything(GaterApi(Flaky(10, [0] * 50)).stream_all("s"))
    caller = Flaky(10, [0] * 50)
    assert await everything(GaterApi(caller).subscribe("s")) == list(range(10))
    assert len(caller.opened) == 51


@pytest.mark.parametrize("patience", [0.0, 1.0, 20.0])
async def test_read_gives_up_when_its_patience_ends(patience: float, quick: list[float]) -> None:
    with pytest.raises(StoreUnavailableError):
        await everything(GaterApi(Flaky(10, [0] * 50, patience=patience)).stream_all("s"))
    assert sum(quick[:-1]) <= patience <= sum(quick)


async def test_patience_begins_anew_with_each_page(quick: list[float]) -> None:
    caller = Flaky(40, [0, 0, 0, 1] * 10, patience=2.0)
    assert await everything(GaterApi(caller).stream_all("s")) == list(range(40))
    assert sum(quick) > 3.0


async def test_a_refusal_is_no_broken_connection() -> None:
    class Refusing(Flaky):
        async def stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
            self.opened.append(operation)
            raise StoreNotFoundError("s")
            yield

    caller = Refusing(1, [])
    with pytest.raises(StoreNotFoundError):
        await everything(GaterApi(caller).subscribe("s"))
    assert len(caller.opened) == 1


async def test_who_does_not_resume_is_told_at_once() -> None:
    for caller in (Flaky(10, [1], resumes=False), Flaky(10, [0], resumes=False)):
        with pytest.raises(StoreUnavailableError):
            await everything(GaterApi(caller).subscribe("s"))
        assert len(caller.opened) == 1


async def test_every_stream_is_closed_at_its_source() -> None:
    for read in (
        lambda api: api.subscribe("s"),
        lambda api: api.stream_all("s"),
        lambda api: api.stream_forward("s", "a"),
        lambda api: api.stream_backward("s", "a"),
    ):
        caller = Flaky(10, [1, 1])
        async with aclosing(read(GaterApi(caller))) as events:
            for _ in range(5):
                await anext(events)
        assert caller.closed == len(caller.opened) == 3


async def test_a_live_subscription_that_breaks_before_its_first_event_misses_nothing() -> None:
    """Only where it begins has come when the connection is lost: what was committed meanwhile still comes."""
    caller = Flaky(10, [1, 0], live=4)
    assert await everything(GaterApi(caller).subscribe("s", start_from=LIVE)) == list(range(3, 10))
    assert starts(caller) == [LIVE, 4, 4]
    of_stream = Flaky(10, [1], live=7)
    assert await everything(GaterApi(of_stream).subscribe("s", "by_stream", "a", LIVE)) == [7, 8, 9]


async def test_a_live_subscription_that_never_began_begins_from_now_on() -> None:
    caller = Flaky(10, [0, 0], live=4)
    assert await everything(GaterApi(caller).subscribe("s", start_from=LIVE)) == list(range(3, 10))
    assert starts(caller) == [LIVE, LIVE, LIVE]


async def test_a_subscription_goes_on_behind_what_was_looked_at_not_only_behind_what_matched() -> None:
    class Rare(Flaky):
        def _followed(self, operation: SubscribeOperation) -> list[SubscriptionPage]:
            return [] if operation.start_from > 900 else [SubscriptionPage([], False, 1_000)]

    caller = Rare(0, [1])
    assert await everything(GaterApi(caller).subscribe("s", "by_event_type", "Rare")) == []
    assert starts(caller) == [0, 1_000]


def starts(caller: Flaky) -> list[int]:
    return [operation.start_from for operation in caller.opened if isinstance(operation, SubscribeOperation)]


async def test_waiting_doubles_up_to_a_bound(quick: list[float]) -> None:
    await everything(GaterApi(Flaky(10, [0] * 30)).subscribe("s"))
    assert 0.05 <= quick[0] <= 0.1
    assert 0.1 <= quick[1] <= 0.2
    assert all(LONGEST_DELAY / 2 <= waited <= LONGEST_DELAY for waited in quick[7:])
    assert backoff(10_000) <= LONGEST_DELAY
