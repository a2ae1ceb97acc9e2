"""Broadcasting what nobody consumes: what is new, on its topic, in order, unless somebody consumes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import apsw
import pytest

from gater.model.commands import DeleteStream
from gater.model.events import Event
from gater.model.selectors import Selector, by_event_payload, by_event_type, by_stream
from gater.model.subscriptions import TRANSIENT
from gater.store import watches
from gater.store.store import Store
from gater.subscriptions import emitters as emitters_module
from gater.subscriptions.channels import Channels, Silence
from gater.subscriptions.emitters import Announcer, Emitter, events_message
from tests.unit.store.interests import in_events
from tests.unit.store.stores import event_of, memory_store, write
from tests.unit.subscriptions.durable_store import NAME, at_work, attached, fill, made, settle, taken, turns, until


class Ear:
    """An instance of pub/sub that remembers what was said."""

    def __init__(self) -> None:
        self.is_heard = True
        self.on_heard: list[Callable[[], object]] = []
        self.deaf_to: set[str] = set()
        self.said: list[tuple[str, Any]] = []

    def hears(self, topic: str) -> bool:
        """Whether somebody listens to this topic."""
        return self.is_heard and topic not in self.deaf_to

    def listen(self) -> None:
        """Somebody begins to listen."""
        self.is_heard = True
        for begin in tuple(self.on_heard):
            begin()

    def broadcast(self, topic: str, body: Any) -> int:
        """Remember it."""
        self.said.append((topic, body))
        return 1

    def on(self, topic: str) -> list[int]:
        """The positions of the events that were broadcast on a topic."""
        return [body[1][0]["position"] for said_on, body in self.said if said_on == topic]


def channels(ear: Ear) -> Channels:
    return Channels(ear, Silence(), Silence())


def stored(store: Store) -> list[Event]:
    return [Event(*row) for row in store.reader.read_all(0, 100, store.tail.position).events]


async def test_what_is_new_is_broadcast_on_its_topic_in_order() -> None:
    ear = Ear()
    async with memory_store() as store:
        await fill(store, "before")
        emitter = Emitter(store, by_event_type("T"), "s:T", ear)
        await write(store, "a", event_of("T"), event_of("U"), event_of("T"))
        await write(store, "b", event_of("T"))
        await turns()
        assert ear.said == [
            ("s:T", ["events", [event.to_plain()]]) for event in stored(store)[1:] if event.event_type == "T"
        ]
        assert emitter.emitted == 3
        emitter.close()
        await fill(store, "a")
        await turns()
        assert emitter.emitted == 3


async def test_a_message_is_a_tag_and_a_list_of_one_event() -> None:
    async with memory_store() as store:
        await write(store, "a", event_of("T", b'{"n": 1}'))
        (row,) = store.tail.after(0, 1) or []
        tag, (event,) = events_message(row)
        assert tag == "events"
        assert event == Event(*row).to_plain()
        assert (event["stream_id"], event["event_type"], event["data"]) == ("a", "T", {"n": 1})


async def test_what_happens_while_nobody_listens_is_passed_over() -> None:
    ear = Ear()
    async with memory_store() as store:
        emitter = Emitter(store, by_stream(), "t", ear)
        typed = Emitter(store, by_event_type("T"), "u", ear)
        ear.is_heard = False
        await fill(store, "a", "a")
        await turns()
        ear.listen()
        await fill(store, "a")
        await turns()
        assert (ear.on("t"), ear.on("u")) == ([3], [3])
        emitter.paused = typed.paused = True
        await fill(store, "a")
        await turns()
        emitter.paused = typed.paused = False
        await fill(store, "a")
        await turns()
        assert (ear.on("t"), ear.on("u")) == ([3, 5], [3, 5])


async def test_nothing_is_said_on_a_topic_that_nobody_listens_to(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(emitters_module, "events_message", lambda event: made.append(event) or ["events", [{}]])
    ear = Ear()
    ear.deaf_to = {"t", "event_stream:a"}
    async with memory_store() as store:
        emitter = Emitter(store, by_stream(), "t", ear)
        store.tail.observers.append(Announcer(ear).announce)
        await fill(store, "a")
        await turns()
        assert (ear.said, made, emitter.emitted) == ([], [], 0)
        await fill(store, "b")
        assert [topic for topic, _ in ear.said] == ["event_stream:b"]


async def test_an_append_does_not_know_of_an_emitter_that_nobody_hears() -> None:
    ear = Ear()
    ear.is_heard = False
    async with memory_store() as store:
        emitters = [Emitter(store, selector, "t", ear) for selector in (by_stream(), by_event_type("T"))]
        assert store.tail.watches._all() == []
        ear.listen()
        assert len(store.tail.watches._all()) == 2
        await fill(store, "a")
        await turns()
        assert ear.on("t") == [1, 1]
        ear.is_heard = False
        await fill(store, "a")
        await turns()
        assert store.tail.watches._all() == []
        for emitter in emitters:
            emitter.close()
            emitter.close()
        assert ear.on_heard == []
        ear.listen()
        assert store.tail.watches._all() == []


async def test_an_emitter_that_fell_behind_goes_on_with_what_is_new(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watches, "MOST_WAITING", 2)
    monkeypatch.setattr(emitters_module, "MOST_BEHIND", 4)
    ear = Ear()
    async with memory_store() as store:
        emitter = Emitter(store, by_event_type("T"), "t", ear)
        await write(store, "a", *[event_of() for _ in range(5)])
        await turns()
        await fill(store, "a")
        await turns()
        assert ear.on("t") == [6]
        assert "an emitter has passed over events" in caplog.text
        emitter.close()


@pytest.mark.parametrize("selector", [by_stream(), by_stream("b"), by_event_type("T")])
async def test_what_waits_is_broadcast_although_other_events_were_hidden(selector: Selector) -> None:
    ear = Ear()
    async with memory_store() as store:
        await fill(store, "a", "b")
        emitter = Emitter(store, selector, "t", ear)
        await asyncio.gather(fill(store, "b"), store.run(DeleteStream("a")))
        await turns()
        await fill(store, "b")
        await turns()
        assert ear.on("t") == [3, 4]
        emitter.close()


async def test_a_long_way_behind_is_caught_up_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MOST_WAITING", 2)
    monkeypatch.setattr(emitters_module, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(emitters_module, "PAGE_EVENTS", 2)
    ear = Ear()
    async with memory_store() as store:
        emitter = Emitter(store, by_event_type("T"), "t", ear)
        await write(store, "a", *[event_of() for _ in range(7)])
        await turns(2)
        assert len(ear.on("t")) < 7
        await until(lambda: ear.on("t") == [1, 2, 3, 4, 5, 6, 7])
        emitter.close()


async def test_what_a_paused_emitter_fell_behind_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MOST_WAITING", 2)
    ear = Ear()
    async with memory_store() as store:
        emitter = Emitter(store, by_stream("a"), "t", ear)
        emitter.paused = True
        await write(store, "a", *[event_of() for _ in range(5)])
        await turns()
        emitter.paused = False
        await fill(store, "a")
        await turns()
        assert ear.on("t") == [6]
        emitter.close()


async def test_hidden_events_of_a_large_append_are_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emitters_module, "TURN_SECONDS", 0.0)
    ear = Ear()
    async with memory_store() as store:
        announcer = Announcer(ear)
        store.tail.observers.append(announcer.announce)
        store.tail.on_hidden.append(announcer.hide)
        await write(store, "a", *[event_of() for _ in range(5_000)])
        await store.run(DeleteStream("a"))
        heard = len(ear.said)
        await fill(store, "b")
        await turns()
        assert heard < 5_000
        assert ear.on("event_stream:b") == [5_001]
        assert len(ear.said) == heard + 1


async def test_an_emitter_outlives_a_read_that_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    async with memory_store() as store:
        Emitter(store, by_stream("a"), "t", ear)

        def fail(*arguments: Any) -> Any:
            raise apsw.IOError("the disk is gone")

        with monkeypatch.context() as patched:
            patched.setattr(store.reader, "read_stream", fail)
            store.tail.extend([], hides=None)
            await fill(store, "a")
            await turns()
        assert "an emitter cannot read" in caplog.text
        await fill(store, "a")
        await turns()
        assert ear.on("t") == [1, 2]


async def test_every_append_is_announced_on_the_topic_of_its_stream() -> None:
    ear = Ear()
    async with memory_store() as store:
        store.tail.observers.append(Announcer(ear).announce)
        await fill(store, "a", "b", "a")
        assert (ear.on("event_stream:a"), ear.on("event_stream:b")) == ([1, 3], [2])
        ear.is_heard = False
        await fill(store, "a")
        assert ear.on("event_stream:a") == [1, 3]


async def test_a_store_broadcasts_everything_from_the_start() -> None:
    ear = Ear()
    async with at_work(channels(ear)) as (store, _):
        await fill(store, "a", "b")
        await turns()
        assert ear.on("s:$all") == [1, 2]


async def test_a_saved_subscription_is_broadcast_while_nobody_consumes_it() -> None:
    ear = Ear()
    async with at_work(channels(ear)) as (store, durables):
        durable = await made(durables, by_event_type("T"))
        await fill(store, "a")
        await turns()
        assert ear.on("s:*billing-T") == [1]
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 1))
        await fill(store, "a")
        settle(durable, *await taken(durable, consumer, 1))
        assert ear.on("s:*billing-T") == [1]
        durable.detach(consumer)
        await fill(store, "a")
        await turns()
        assert ear.on("s:*billing-T") == [1, 3]
        await durables.remove(by_event_type("T"), NAME)
        await fill(store, "a")
        await turns()
        assert ear.on("s:*billing-T") == [1, 3]
        assert ear.on("s:$all") == [1, 2, 3, 4]


async def test_broadcasting_rests_while_deliveries_fail() -> None:
    ear = Ear()
    async with at_work(channels(ear)) as (store, durables):
        durable = await made(durables, by_event_type("T"))
        consumer = attached(durable)
        await fill(store, "a")
        ((event, _, receipt),) = await taken(durable, consumer, 1)
        durable.nack(event[2], receipt, "retry", 0.0, "bad")
        durable.after_settling()
        durable.detach(consumer)
        await fill(store, "b")
        await turns()
        assert ear.on("s:*billing-T") == []
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 2))
        durable.detach(consumer)
        await fill(store, "c")
        await turns()
        assert ear.on("s:*billing-T") == [3]


async def test_transient_subscriptions_are_broadcast_once_however_many_want_them() -> None:
    ear = Ear()
    selector = by_event_payload({"k": "x"})
    async with at_work(channels(ear)) as (store, durables):
        for _ in range(2):
            await durables.save(selector, TRANSIENT, 0, {})
        await write(store, "a", event_of("T", b'{"k":"x"}'), event_of("T", b'{"k":"y"}'))
        (topic,) = durables._emitters._shared
        await until(lambda: ear.on(topic) == [1])


async def test_a_saved_and_a_transient_subscription_of_one_topic_are_both_broadcast() -> None:
    ear = Ear()
    async with at_work(channels(ear)) as (store, durables):
        await durables.save(by_stream("other"), "user-1", 0, {})
        await durables.save(by_stream("user-1"), TRANSIENT, 0, {})
        await fill(store, "user-1", "other")
        await until(lambda: sorted(ear.on("s:$user-1")) == [1, 2])
        durables.release(by_stream("user-1"))
        await fill(store, "user-1", "other")
        await until(lambda: sorted(ear.on("s:$user-1")) == [1, 2, 4])


async def test_an_emitter_that_met_a_defect_broadcasts_what_comes_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()

    def failing(*_: Any) -> Any:
        raise ZeroDivisionError("a defect")

    async with memory_store() as store:
        emitter = Emitter(store, by_event_type("T"), "topic", ear)  # type: ignore[arg-type]
        with monkeypatch.context() as broken:
            broken.setattr(emitters_module, "newest", failing)
            await write(store, "s", event_of())
            await turns()
        for _ in range(3):
            await write(store, "s", event_of())
            await turns()
        assert ear.on("topic")[-1] == store.tail.position
        assert "an emitter has passed over events" in caplog.text
        emitter.close()


async def test_an_event_that_cannot_be_decoded_keeps_nothing_else_back(caplog: pytest.LogCaptureFixture) -> None:
    ear = Ear()
    async with memory_store() as store:
        emitter = Emitter(store, by_event_type("T"), "topic", ear)
        store.tail.observers.append(Announcer(ear).announce)
        poison = (b'{"x":1e999}', b'{"x":"\xff"}', b"[" * 5_000, b"[" + b"1," * 100_000 + b"1]")
        await write(store, "a", event_of(), *[event_of(data=data) for data in poison], event_of())
        await turns()
        assert ear.on("topic") == ear.on("event_stream:a") == [1, 6]
        assert emitter.emitted == 2
    assert caplog.text.count("an event cannot be broadcast") == 8


async def test_who_waits_for_a_value_passes_over_events_that_cannot_be_decoded() -> None:
    async with memory_store() as store:
        watch = store.tail.watches.watch(in_events(by_event_payload({"x": "y"})))
        wanted = event_of(data=b'{"x":"y"}')
        await write(store, "a", event_of(data=b'{"x":"\xff"}'), event_of(data=b'{"x":1e999}'), wanted)
        assert [event[2] for event in watch.take()] == [3]
