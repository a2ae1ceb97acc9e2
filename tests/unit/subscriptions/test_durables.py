"""What is told of durable subscriptions, which of them are broadcast, and what a check of them finds and mends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import apsw
import pytest

from gater.model.errors import AlreadyExistsError, NotFoundError
from gater.model.selectors import parse_selector
from gater.model.subscriptions import TRANSIENT
from gater.store.store import Store
from gater.subscriptions.channels import Channels
from gater.subscriptions.consumer import Consumer
from gater.subscriptions.durables import Durables
from tests.unit.store.stores import event_of, memory_store, write

EVERYTHING = parse_selector("by_stream", "$all")
STREAM = parse_selector("by_stream", "a")
SETTINGS: dict[str, object] = {}
TOPIC = "s:$mail"
DEFAULT_TOPIC = "s:$all"


class Heard:
    """An instance that keeps what is broadcast on it."""

    is_heard = True

    def __init__(self) -> None:
        self.on_heard: list[Callable[[], object]] = []
        self.messages: list[tuple[str, Any]] = []

    def hears(self, topic: str) -> bool:
        return True

    def broadcast(self, topic: str, body: Any) -> object:
        self.messages.append((topic, body))
        return 1

    def on(self, topic: str) -> list[Any]:
        return [body for heard, body in self.messages if heard == topic]


class Desk:
    """A store with its durable subscriptions, and all that is told of them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.events, self.health, self.metrics = Heard(), Heard(), Heard()
        self.durables = Durables(store, Channels(self.events, self.health, self.metrics))

    async def save(self, name: str = "mail") -> None:
        await self.durables.save(EVERYTHING, name, 0, SETTINGS)

    async def emitted(self, topic: str = TOPIC) -> bool:
        """Whether an event that is appended now is broadcast on a topic."""
        before = len(self.events.on(topic)), len(self.events.on(DEFAULT_TOPIC))
        await write(self.store, "a", event_of())
        await turns()
        assert len(self.events.on(DEFAULT_TOPIC)) == before[1] + 1
        return len(self.events.on(topic)) == before[0] + 1

    async def deliver(self, consumer: Consumer, *, fails: bool) -> None:
        """Give the consumer an event, and have it settled."""
        durable = self.durables.get("mail")
        await turns()
        [(event, _, receipt)] = durable.take(consumer, 1)
        if fails:
            durable.nack(event[2], receipt, "retry", 0.0, "no")
        else:
            durable.ack(event[2], receipt)
        durable.after_settling()

    def told(self, name: str = "mail") -> list[str]:
        """The kinds of what was told of a subscription, in order."""
        return [body["event_type"] for _, body in self.health.on(f"subscription_health:s:{name}")]

    def emitters(self) -> set[str]:
        return self.durables._emitters.topics()

    def checked(self, *, cleanup: bool = True) -> Any:
        """The report of a check, all of whose steps are taken at once."""
        steps = self.durables.check(cleanup=cleanup)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value


async def turns() -> None:
    """Let everything that is ready have its turn."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def desk() -> AsyncGenerator[Desk, None]:
    return opened()


async def opened() -> AsyncGenerator[Desk, None]:
    async with memory_store() as store:
        made = Desk(store)
        try:
            yield made
        finally:
            await made.durables.close()


# --- what is told of making and removing ---


async def test_making_one_is_told_with_what_the_reference_lists(desk: Desk) -> None:
    await desk.save()
    assert desk.told() == ["registration_started", "registration_success"]
    facts = desk.health.on("subscription_health:s:mail")[-1][1]["metadata"]
    assert (set(facts), facts["proxy_pid"]) == ({"proxy_pid", "subscriber_pid", "registration_time"}, "s/mail")
    [(tag, attempt)] = desk.metrics.on("subscription_metrics:s:mail")
    assert (tag, attempt["event_type"]) == ("subscription_metrics", "registration_attempt")
    assert (attempt["metadata"]["result"], attempt["metadata"]["source"]) == ("success", "subscription_metrics")
    assert attempt["metadata"]["processing_time_ms"] >= 0


async def test_a_refused_change_is_told_and_what_was_saved_is_as_well_as_before(desk: Desk) -> None:
    await desk.save()
    with pytest.raises(AlreadyExistsError):
        await desk.durables.save(STREAM, "mail", 0, SETTINGS)
    assert desk.told()[-2:] == ["registration_failed", "periodic_heartbeat"]
    assert desk.durables.health("mail").current_status == "healthy"
    assert desk.metrics.on("subscription_metrics:s:mail")[-1][1]["metadata"]["result"] == "already_exists"
    desk.durables.get("mail")
    assert await desk.emitted()


async def test_removing_one_is_told_and_ends_what_is_known_of_it(desk: Desk) -> None:
    await desk.save()
    assert await desk.durables.remove(EVERYTHING, "mail")
    assert desk.told()[-1] == "proxy_stopped"
    with pytest.raises(NotFoundError):
        desk.durables.health("mail")
    assert not await desk.emitted()


# --- what is broadcast ---


async def test_what_is_consumed_is_not_broadcast(desk: Desk) -> None:
    await desk.save()
    assert await desk.emitted()
    durable, consumer = desk.durables.get("mail"), Consumer(10)
    durable.attach(consumer)
    assert not await desk.emitted()
    durable.detach(consumer)
    assert await desk.emitted()


async def test_emission_pauses_while_it_is_not_well_and_goes_on_with_a_sign_of_life(desk: Desk) -> None:
    await desk.save()
    durable, consumer = desk.durables.get("mail"), Consumer(1)
    durable.attach(consumer)
    await write(desk.store, "a", event_of())
    await desk.deliver(consumer, fails=True)
    durable.detach(consumer)
    assert desk.durables.health("mail").current_status == "degraded"
    assert not await desk.emitted()
    desk.durables._reporter._sum_up()
    assert (desk.told()[-1], desk.durables.health("mail").current_status) == ("periodic_heartbeat", "healthy")
    assert await desk.emitted()


async def test_emission_goes_on_once_a_delivery_has_succeeded(desk: Desk) -> None:
    await desk.save()
    durable, consumer = desk.durables.get("mail"), Consumer(1)
    durable.attach(consumer)
    await write(desk.store, "a", event_of())
    await desk.deliver(consumer, fails=True)
    await desk.deliver(consumer, fails=False)
    durable.detach(consumer)
    assert desk.told()[-2:] == ["event_delivery_failed", "event_delivery_success"]
    assert await desk.emitted()


async def test_a_sign_of_life_does_not_let_what_is_consumed_be_broadcast(desk: Desk) -> None:
    await desk.save()
    desk.durables.get("mail").attach(Consumer(1))
    desk.durables._reporter._sum_up()
    assert not await desk.emitted()


# --- the check ---


async def test_check_of_what_is_sound_finds_nothing(desk: Desk) -> None:
    await desk.save()
    await desk.durables.save(EVERYTHING, "bill", 0, SETTINGS)
    await desk.durables.save(STREAM, TRANSIENT, 0, SETTINGS)
    report = desk.checked()
    assert set(report) == {
        "timestamp",
        "store_id",
        "is_leader",
        "check_duration_ms",
        "total_subscriptions",
        "total_emitter_pools",
        "issues",
        "summary",
    }
    assert (report["store_id"], report["total_subscriptions"], report["total_emitter_pools"]) == ("s", 2, 4)
    assert report["issues"] == {"stale_subscriptions": [], "orphaned_pools": [], "missing_pools": []}
    assert set(report["summary"].values()) == {0}


async def test_missing_emitter_is_found_and_made(desk: Desk) -> None:
    await desk.save()
    desk.durables._emitters.silence(EVERYTHING, "mail")
    assert not await desk.emitted()
    report = desk.checked()
    assert (report["issues"]["missing_pools"], report["summary"]["total_issues"]) == ([TOPIC], 1)
    assert await desk.emitted()
    assert desk.checked()["summary"]["total_issues"] == 0


async def test_emitter_that_is_made_by_a_check_keeps_quiet_while_somebody_consumes(desk: Desk) -> None:
    await desk.save()
    durable, consumer = desk.durables.get("mail"), Consumer(1)
    durable.attach(consumer)
    desk.durables._emitters.silence(EVERYTHING, "mail")
    desk.checked()
    assert not await desk.emitted()
    durable.detach(consumer)
    assert await desk.emitted()


async def test_orphaned_emitter_is_found_and_ended(desk: Desk) -> None:
    desk.durables._emitters.emit(EVERYTHING, "mail", 99)
    assert await desk.emitted()
    report = desk.checked()
    assert (report["issues"]["orphaned_pools"], report["total_emitter_pools"]) == ([TOPIC], 1)
    assert not await desk.emitted()
    assert desk.emitters() == {DEFAULT_TOPIC}


async def test_stranded_subscription_is_shown(desk: Desk) -> None:
    await desk.save()
    await write(desk.store, "a", event_of())
    assert desk.checked()["issues"]["stale_subscriptions"] == []
    desk.durables.get("mail")
    report = desk.checked()
    assert (report["issues"]["stale_subscriptions"], report["summary"]["stale_subscriptions"]) == (["mail"], 1)


async def test_subscription_that_cannot_read_is_failed_and_all_are_told_of_nevertheless(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> None:
        raise apsw.CorruptError("a page is damaged")

    for name in ("mail", "bill"):
        await desk.save(name)
        desk.durables.get(name)
    monkeypatch.setattr(desk.durables.get("mail")._feeder, "look_ahead", damaged)
    for _ in range(2):
        assert [(info.name, info.state) for info in desk.durables.at_work()] == [("mail", "failed"), ("bill", "idle")]
    assert desk.told().count("proxy_crashed") == 1
    desk.durables._reporter._sum_up()
    [(_, summary)] = desk.health.on("health_summary:s")
    assert (summary["healthy"], summary["failed"]) == (1, 1)
    assert desk.checked()["issues"]["stale_subscriptions"] == []


async def test_a_check_without_cleanup_only_reports(desk: Desk) -> None:
    await desk.save()
    desk.durables._emitters.silence(EVERYTHING, "mail")
    desk.durables._emitters.emit(EVERYTHING, "gone", 99)
    for _ in range(2):
        assert desk.checked(cleanup=False)["summary"] == {
            "stale_subscriptions": 0,
            "orphaned_pools": 1,
            "missing_pools": 1,
            "total_issues": 2,
        }


async def test_a_saved_subscription_is_broadcast_again_when_its_store_is_opened(desk: Desk) -> None:
    await desk.save()
    again = Desk(desk.store)
    try:
        assert again.emitters() == {DEFAULT_TOPIC, TOPIC}
        assert await again.emitted()
    finally:
        await again.durables.close()
