"""Where events are told on the events instance: on the topic of their stream, of their store, of each subscription."""

from __future__ import annotations

import re
from typing import Any

import pytest

import gater
from gater import GaterApi, Selector, by_event_pattern, by_event_payload, by_event_type, by_stream, stream_prefix
from gater.testing.server import GaterServer
from tests.contract.consumers import Worker
from tests.contract.samples import numbered, until

NAME = "billing"
HASH = "[0-9A-F]{8}"

SAVED = [
    pytest.param(by_stream("a"), re.escape(f"${NAME}"), ["a0"], id="by_stream"),
    pytest.param(by_stream("$all"), re.escape(f"${NAME}"), ["a0", "b0"], id="all"),
    pytest.param(by_event_type("B"), re.escape(f"*{NAME}-B"), ["b0"], id="by_event_type"),
    pytest.param(by_event_pattern({"event_type": "A"}), f"evt-pat-{NAME}-{HASH}", ["a0"], id="by_event_pattern"),
    pytest.param(by_event_payload({"number": 0}), f"evt-pay-{NAME}-{HASH}", ["a0", "b0"], id="by_event_payload"),
    pytest.param(stream_prefix("b"), f"evt-sel-{NAME}-{HASH}", ["b0"], id="stream_prefix"),
]
"""A selector, the rest of the topic of the subscription that has it, and the events that are told there."""
TRANSIENT = [
    pytest.param(by_stream("a"), r"\$a", ["a0"], id="by_stream"),
    pytest.param(by_event_type("B"), "B", ["b0"], id="by_event_type"),
    pytest.param(by_event_pattern({"event_type": "A"}), f"evt-pat-transient-{HASH}", ["a0"], id="by_event_pattern"),
    pytest.param(by_event_payload({"number": 0}), f"evt-pay-transient-{HASH}", ["a0", "b0"], id="by_event_payload"),
]


async def told(messages: Any, count: int) -> list[tuple[str, str]]:
    """The topic and the stream and version of each of the next events."""
    found = []
    for _ in range(count):
        message = await anext(messages)
        tag, (event,) = message.body
        assert tag == "events"
        found.append((message.topic, f"{event['stream_id']}{event['version']}"))
    return found


async def append_both(api: GaterApi, store: str) -> None:
    """One event of type A to the stream a, one of type B to b."""
    await api.append_events(store, "a", numbered(1, event_type="A"))
    await api.append_events(store, "b", numbered(1, event_type="B"))


async def test_every_event_is_told_on_the_topic_of_its_stream(api: GaterApi, store: str) -> None:
    stream = f"{store}/a"
    async with api.pubsub("events").subscribe(f"event_stream:{stream}") as messages:
        await api.append_events(store, f"{store}/b", numbered(2))
        await api.append_events(store, stream, numbered(3))
        assert await told(messages, 3) == [(f"event_stream:{stream}", f"{stream}{version}") for version in range(3)]


async def test_every_event_is_told_on_the_topic_of_its_store(api: GaterApi, store: str) -> None:
    async with api.pubsub("events").subscribe(f"{store}:$all") as messages:
        await append_both(api, store)
        assert await told(messages, 2) == [(f"{store}:$all", "a0"), (f"{store}:$all", "b0")]


async def test_an_event_is_told_as_it_is_read(api: GaterApi, store: str) -> None:
    async with api.pubsub("events").subscribe(f"{store}:$all") as messages:
        event = {"event_type": "T", "data": {"total": 12, "of": [None, "ö"]}, "metadata": {"by": "me"}}
        await api.append_events(store, "a", [event])
        (stored,) = await api.get_events(store, "a")
        body = (await anext(messages)).body
        assert body == ["events", [stored.to_plain()]]


@pytest.mark.parametrize(("selector", "sub_topic", "events"), SAVED)
async def test_a_saved_subscription_without_a_consumer_has_a_topic(
    api: GaterApi, store: str, selector: Selector, sub_topic: str, events: list[str]
) -> None:
    await api.save_subscription(store, selector, name=NAME)
    await _check_topic(api, store, sub_topic, events)


@pytest.mark.parametrize(("selector", "sub_topic", "events"), TRANSIENT)
async def test_a_transient_subscription_has_a_topic(
    api: GaterApi, store: str, selector: Selector, sub_topic: str, events: list[str]
) -> None:
    await api.add_transient_subscription(store, selector)
    await _check_topic(api, store, sub_topic, events)
    await api.remove_transient_subscription(store, selector)


async def _check_topic(api: GaterApi, store: str, sub_topic: str, events: list[str]) -> None:
    """Beside the topic of the store, exactly one is spoken on; it looks so, and has these events."""
    async with api.pubsub("events").subscribe(f"{store}:*") as messages:
        await append_both(api, store)
        found = await told(messages, 2 + len(events))
    mine = [(topic, event) for topic, event in found if topic != f"{store}:$all"]
    assert [event for _, event in mine] == events
    (topic,) = {topic for topic, _ in mine}
    assert re.fullmatch(f"{re.escape(store)}:{sub_topic}", topic), topic


async def test_a_topic_follows_from_what_is_selected(api: GaterApi, store: str) -> None:
    """Whoever knows the selector knows where to listen: equal selectors have one topic, others another."""
    topics = []
    for name, fields in (("one", {"a": 1, "b": 2}), ("two", {"b": 2, "a": 1}), ("three", {"a": 2})):
        await api.save_subscription(store, by_event_payload(fields), name=name)
        async with api.pubsub("events").subscribe(f"{store}:evt-pay-{name}-*") as messages:
            await api.append_events(store, "s", [{"event_type": "T", "data": fields}])
            topics.append((await anext(messages)).topic.rpartition("-")[2])
    assert topics[0] == topics[1] != topics[2]


async def test_what_a_consumer_processes_is_not_told_as_well(api: GaterApi, store: str) -> None:
    await api.save_subscription(store, by_event_type("A"), name=NAME)
    async with api.pubsub("events").subscribe(f"{store}:*") as messages:
        async with Worker(api, store, name=NAME) as worker:

            async def it_consumes() -> bool:
                return (await api.get_subscription(store, NAME)).consumers == 1

            await until(it_consumes)
            await api.append_events(store, "s", numbered(1, event_type="A"))
            await until(lambda: worker.seen == [1])
        await api.append_events(store, "s", numbered(1, event_type="B"))
        assert await told(messages, 2) == [(f"{store}:$all", "s0"), (f"{store}:$all", "s1")]


async def test_a_removed_subscription_is_told_no_longer(api: GaterApi, store: str) -> None:
    await api.save_subscription(store, by_event_type("A"), name=NAME)
    await api.remove_subscription(store, by_event_type("A"), name=NAME)
    async with api.pubsub("events").subscribe(f"{store}:*") as messages:
        await append_both(api, store)
        assert await told(messages, 2) == [(f"{store}:$all", "a0"), (f"{store}:$all", "b0")]


async def test_a_transient_subscription_ends_with_its_connection(server: GaterServer, store: str) -> None:
    selector, topic = by_event_type("A"), f"{store}:A"
    async with gater.connect(server.url) as staying:
        await staying.create_store(store)
        async with staying.pubsub("events").subscribe(f"{store}:*") as messages:
            async with gater.connect(server.url) as leaving, gater.connect(server.url) as other:
                await leaving.add_transient_subscription(store, selector)
                await other.add_transient_subscription(store, selector)
                await staying.append_events(store, "s", numbered(1, event_type="A"))
                assert sorted(await told(messages, 2)) == [(f"{store}:$all", "s0"), (topic, "s0")]
                await leaving.close()
                # One of the two that share the topic is still there.
                await staying.append_events(store, "s", numbered(1, event_type="A"))
                assert sorted(await told(messages, 2)) == [(f"{store}:$all", "s1"), (topic, "s1")]

            async def it_is_silent() -> bool:
                await staying.append_events(store, "s", numbered(1, event_type="A"))
                await staying.append_events(store, "end", numbered(1, event_type="End"))
                topics = []
                while not topics or topics[-1][1] != f"end{len(rounds)}":
                    topics += await told(messages, 1)
                rounds.append(topics)
                return all(found != topic for found, _ in topics)

            rounds: list[Any] = []
            await until(it_is_silent)
        await staying.remove_store(store)


async def test_nothing_is_told_of_events_that_came_while_nobody_listened(api: GaterApi, store: str) -> None:
    await api.save_subscription(store, by_event_type("A"), name=NAME)
    await append_both(api, store)
    async with api.pubsub("events").subscribe(f"{store}:*") as messages:
        await api.append_events(store, "a", numbered(1, event_type="A"))
        assert sorted(await told(messages, 2)) == [(f"{store}:$all", "a1"), (f"{store}:*{NAME}-A", "a1")]
