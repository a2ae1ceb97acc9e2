"""The cost of readiness, status and metrics does not grow with what a store holds: in steps, reads and samples."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater.api import operations as op
from gater.api import subscription_operations as sub
from gater.gateway.gateway import Gateway
from gater.model import commands as c
from gater.model.selectors import parse_selector
from gater.model.snapshots import Snapshot
from gater.subscriptions.durable import DurableSubscription
from gater.subscriptions.reporting import SOME
from gater.telemetry.prometheus import MetricsPage
from gater.telemetry.sources import MOST_LISTED
from tests.unit.gateway.calls import answer

EVERYTHING = parse_selector("by_stream", "$all")
MANY = 2 * MOST_LISTED + 30


async def subscribe(gateway: Gateway, name: str) -> None:
    """Save a subscription, and have it at work."""
    await answer(gateway, sub.SaveSubscriptionOperation("s", EVERYTHING, name, 0, {}))
    await answer(gateway, sub.GetSubscription("s", name))


class Steps:
    """Counts what SQLite does for the readers of a store."""

    def __init__(self, gateway: Gateway) -> None:
        self.count = 0
        self.counting: list[str] = []
        """Statements that count rows, which to SQLite is one step however many there are."""
        connection = gateway._stores.get("s")._connection
        connection.set_progress_handler(self._step, 1)
        connection.exec_trace = self._trace

    def _trace(self, _: object, statement: str, __: object) -> bool:
        if "count(*)" in statement:
            self.counting.append(statement)
        return True

    def _step(self) -> bool:
        self.count += 1
        return False

    def of(self, work: Any) -> int:
        """The steps that some work takes."""
        before = self.count
        work()
        return self.count - before


async def fill(gateway: Gateway, count: int) -> None:
    """Put so many snapshots into the store, and park so many events."""
    store = gateway._stores.get("s")
    saved = store.subscriptions.get("a")
    assert saved is not None
    parked = c.ParkEvents("a", saved.run, tuple([c.ParkedEntry(number + 1, "", 1) for number in range(count)]), 7)
    for number in range(count):
        snapshot = Snapshot("s", "x", number, "t", b"d", None, "", 0, 0)
        store.submit(c.RecordSnapshot(snapshot), 0, lambda *_: None)
    await store.run(parked)


async def test_status_and_a_scrape_cost_the_same_with_more_snapshots_and_parked_events(gateway: Gateway) -> None:
    await subscribe(gateway, "a")
    page, steps = MetricsPage(gateway.metrics, "1"), Steps(gateway)
    costs = []
    for count in (10, 2_000):
        await fill(gateway, count)
        page.render()  # what is prepared once
        costs.append((steps.of(gateway.statuses), steps.of(page.render)))
        (status,) = gateway.statuses()
        info = await answer(gateway, sub.GetSubscription("s", "a"))
        assert (status.snapshots, info.parked) == (count, count)
    assert costs[0] == costs[1]
    assert steps.counting == []


async def test_readiness_reads_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    store = gateway._stores.get("s")
    monkeypatch.setattr(type(store._log), "look", lambda _: pytest.fail("the files were looked at"))
    assert Steps(gateway).of(gateway.states) == 0
    assert gateway.states() == {"s": ("running", "")}


async def test_a_scrape_looks_at_few_of_many_subscriptions_and_tells_the_sums_of_all(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(DurableSubscription, "info", noting(looked, DurableSubscription.info))
    for number in range(MANY):
        await subscribe(gateway, f"sub-{number:03}")
    await answer(gateway, op.GetStoreStatus("s"))
    looked.clear()
    text = MetricsPage(gateway.metrics, "1").render().decode()
    assert len(looked) == MOST_LISTED
    assert text.count("\ngater_subscription_lag_events{") == MOST_LISTED
    assert f'gater_store_subscriptions{{state="idle",store="s"}} {MANY}.0' in text
    looked.clear()
    gateway._components.check()
    gateway._components.report()
    assert looked == []


async def test_subscriptions_with_the_largest_lag_are_listed(gateway: Gateway) -> None:
    for number in range(MOST_LISTED):
        await subscribe(gateway, f"early-{number:03}")
    await subscribe(gateway, "late")
    figures = gateway._stores.durables("s").figures
    names = {name for _, name in figures.listed()}
    assert "late" not in names
    for info in gateway._stores.durables("s").at_work():
        figures.note(info if info.name != "late" else behind(info))
    figures.choose()
    listed = gateway.metrics.sources.subscriptions()
    assert len(listed) == MOST_LISTED
    assert listed[0][1].name == "late"


def behind(info: Any) -> Any:
    """The same with a large lag."""
    return msgspec.structs.replace(info, lag=99)


async def test_subscriptions_are_summed_up_a_few_at_a_time(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(SOME + 10):
        await subscribe(gateway, f"sub-{number:03}")
    looked: list[str] = []
    monkeypatch.setattr(DurableSubscription, "info", noting(looked, DurableSubscription.info))
    durables = gateway._stores.durables("s")
    durables._reporter._sum_up()
    assert len(looked) == SOME
    looked.clear()
    durables.check()
    assert len(looked) <= SOME


def noting(looked: list[str], info: Any) -> Any:
    def noted(durable: DurableSubscription, **options: Any) -> Any:
        looked.append(durable.config.name)
        return info(durable, **options)

    return noted
