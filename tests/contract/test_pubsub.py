"""Pub/sub: a message goes once, in order, to each who listens to its topic on its instance, and to nobody else."""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from gater import GaterApi, InvalidArgumentError, NewEvent, ValidationError
from gater.model.identifiers import MAX_TOPIC_BYTES
from gater.pubsub.instances import POLICIES, Instance
from tests.contract.samples import refused, until
from tests.contract.ways import Way

BODIES = [
    None,
    True,
    False,
    {},
    [],
    "",
    0,
    -1,
    (1 << 63) - 1,
    -(1 << 63),
    (1 << 64) - 1,
    0.5,
    -1e300,
    "text: ö 漢 \U0001f331 \x00 \n",
    {"deep": [{"er": [[], {}, None, "*"]}], "": {"": ""}},
    ["events", [1, 2.5, "three"]],
    ["secure_message", "is not one", "without its bytes"],
    "x" * 200_000,
]
"""Plain data that every way can say."""
NO_TOPICS = ["", "a\x00b", "line\nbreak", "ö" * (MAX_TOPIC_BYTES // 2) + "x"]


async def heard(messages: Any, count: int) -> list[Any]:
    """Topics and bodies of the next messages."""
    return [(message.topic, message.body) for message in [await anext(messages) for _ in range(count)]]


@pytest.fixture
def topic(store: str) -> str:
    """A topic of the test's own."""
    return f"tests:{store}"


# --- who gets a message ---


async def test_a_message_goes_to_who_listens_to_its_topic(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(topic) as messages:
        assert await channel.broadcast(topic, {"hello": "world"}) == 1
        assert await heard(messages, 1) == [(topic, {"hello": "world"})]


async def test_nobody_gets_what_was_published_before_they_listened(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")
    assert await channel.broadcast(topic, "early") == 0
    async with channel.subscribe(topic) as messages:
        assert await channel.broadcast(topic, "late") == 1
        assert await heard(messages, 1) == [(topic, "late")]


async def test_other_topics_are_not_heard(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(topic) as messages:
        for other in (topic + ":more", topic[:-1], topic.upper(), "*", f"{topic}*", f" {topic}"):
            assert await channel.broadcast(other, "for others") == 0
        await channel.broadcast(topic, "mine")
        assert await heard(messages, 1) == [(topic, "mine")]


async def test_other_instances_are_not_heard(api: GaterApi, topic: str) -> None:
    async with api.pubsub("health").subscribe(topic) as messages:
        for instance in Instance:
            if instance is not Instance.HEALTH:
                assert await api.pubsub(instance).broadcast(topic, "for others") == 0
        await api.pubsub("health").broadcast(topic, "mine")
        assert await heard(messages, 1) == [(topic, "mine")]


async def test_all_ten_instances_carry_messages(api: GaterApi, topic: str) -> None:
    async with AsyncExitStack() as stack:
        listeners = {
            instance: await stack.enter_async_context(api.pubsub(instance).subscribe(topic)) for instance in Instance
        }
        for instance in Instance:
            assert await api.pubsub(instance).broadcast(topic, instance.value) == 1
        for instance, messages in listeners.items():
            assert await heard(messages, 1) == [(topic, instance.value)]


async def test_short_and_full_names_are_the_same_instance(api: GaterApi, topic: str) -> None:
    async with api.pubsub("alerts").subscribe(topic) as short, api.pubsub("ex_esdb_alerts").subscribe(topic) as full:
        assert await api.pubsub("ex_esdb_alerts").broadcast(topic, 1) == 2
        assert await api.pubsub("alerts").broadcast(topic, 2) == 2
        assert await heard(short, 2) == await heard(full, 2) == [(topic, 1), (topic, 2)]


# --- patterns ---


async def test_a_star_at_the_end_fits_all_that_begins_so(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")
    fitting = [topic, f"{topic}:a", f"{topic}:a:b", f"{topic}x", f"{topic}*"]
    async with channel.subscribe(f"{topic}*") as messages:
        assert await channel.broadcast(topic[:-1], "too short") == 0
        for each in fitting:
            assert await channel.broadcast(each, "fits") == 1
        assert await heard(messages, len(fitting)) == [(each, "fits") for each in fitting]


async def test_without_a_topic_all_of_an_instance_is_heard(api: GaterApi, topic: str) -> None:
    async with api.pubsub("events").subscribe() as messages:
        for each in (topic, "something else"):
            await api.pubsub("events").broadcast(each, 0)
        assert await heard(messages, 2) == [(topic, 0), ("something else", 0)]


async def test_a_star_elsewhere_is_an_ordinary_character(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(f"*{topic}") as messages, channel.subscribe(f"{topic}:*:end") as others:
        assert await channel.broadcast(topic, "no") == 0
        assert await channel.broadcast(f"{topic}:x:end", "no") == 0
        assert await channel.broadcast(f"*{topic}", "yes") == 1
        assert await channel.broadcast(f"{topic}:*:end", "yes") == 1
        assert await heard(messages, 1) == [(f"*{topic}", "yes")]
        assert await heard(others, 1) == [(f"{topic}:*:end", "yes")]


# --- many ---


async def test_messages_come_in_their_order(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")
    expected = [(f"{topic}:{number % 3}", number) for number in range(200)]
    async with channel.subscribe(f"{topic}:*") as messages:
        for each, number in expected:
            await channel.broadcast(each, number)
        assert await heard(messages, len(expected)) == expected


async def test_each_of_several_listeners_gets_each_message_once(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("metrics")
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(channel.subscribe(pattern))
            for pattern in (topic, topic, f"{topic}*", f"{topic}*", topic)
        ]
        for number in range(10):
            assert await channel.broadcast(topic, number) == len(listeners)
        for messages in listeners:
            assert await heard(messages, 10) == [(topic, number) for number in range(10)]


async def test_who_leaves_gets_no_more_and_the_others_do(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")

    async def only_one_is_left() -> bool:
        return await channel.broadcast(topic, "again") == 1

    async with channel.subscribe(topic) as staying:
        async with channel.subscribe(topic) as leaving:
            assert await channel.broadcast(topic, "both") == 2
            assert await heard(leaving, 1) == [(topic, "both")]
        await until(only_one_is_left)
        assert await heard(staying, 2) == [(topic, "both"), (topic, "again")]


async def test_iterating_without_a_block_listens_too(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("events")
    messages = channel.subscribe(topic)

    async def somebody_listens() -> bool:
        return await channel.broadcast(topic, "again") > 0

    first = asyncio.ensure_future(anext(messages))
    await until(somebody_listens)
    assert (await first).body == "again"
    await messages.aclose()


# --- what can be said ---


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body)[:20])
async def test_plain_data_arrives_as_it_was_given(api: GaterApi, topic: str, body: Any) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(topic) as messages:
        await channel.broadcast(topic, body)
        message = await anext(messages)
        assert message.body == body
        assert type(message.body) is type(body)


@pytest.mark.parametrize("body", [b"", b"\x00\xff", {"in": [b"side"]}])
async def test_bytes_arrive_as_they_were_given(api: GaterApi, topic: str, body: Any) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(topic) as messages:
        await channel.broadcast(topic, body)
        assert (await anext(messages)).body == body


@pytest.mark.parametrize("body", [object(), 1 << 64, "\ud800", {"in": [object()]}], ids=["object", "int", "text", "in"])
async def test_what_is_not_plain_data_is_refused(api: GaterApi, topic: str, body: Any) -> None:
    with refused(ValidationError, field="message"):
        await api.pubsub("events").broadcast(topic, body)


def nested(levels: int) -> Any:
    """Lists in lists."""
    body: Any = 1
    for _ in range(levels):
        body = [body]
    return body


@pytest.mark.parametrize(
    ("body", "as_json"),
    [
        pytest.param(math.nan, b"NaN", id="not a number"),
        pytest.param({"x": [-math.inf]}, b'{"x":[-1e999]}', id="infinity"),
        pytest.param({"x": -(1 << 63) - 1}, b'{"x":-9223372036854775809}', id="an integer beyond 64 bits"),
        pytest.param(nested(600), b"[" * 600 + b"]" * 600, id="too many levels"),
        pytest.param(nested(50_000), b"[" * 50_000 + b"]" * 50_000, id="far too many levels"),
        pytest.param({"x": msgspec.Raw(b"no JSON")}, b'{"x":no JSON}', id="raw bytes"),
        pytest.param({None: 1}, b"{null:1}", id="a name that is no text"),
    ],
)
async def test_what_some_listener_could_not_be_given_is_refused(
    api: GaterApi, topic: str, way: Way, body: Any, as_json: bytes
) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(topic) as messages:
        with pytest.raises(ValidationError):
            await channel.broadcast(topic, msgspec.Raw(as_json) if way.name == "http" else body)
        await channel.broadcast(topic, "next")
        assert await heard(messages, 1) == [(topic, "next")]


@pytest.mark.parametrize("body", [nested(490), {"x": (1 << 64) - 1}], ids=["490 levels", "64 bits"])
async def test_what_every_listener_can_be_given_is_taken(api: GaterApi, topic: str, body: Any) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(topic) as messages:
        await channel.broadcast(topic, body)
        assert await heard(messages, 1) == [(topic, body)]


async def test_an_event_that_no_message_can_carry_ends_no_listener(api: GaterApi, store: str) -> None:
    topic = f"event_stream:{store}"
    async with api.pubsub("events").subscribe(topic) as messages:
        for data in ({"x": 1 << 70}, {"x": [-(1 << 63) - 1]}, {"x": 1}, {"x": nested(480)}):
            await api.append_events(store, store, [NewEvent("T", data)])
        assert [body[1][0]["version"] for _, body in await heard(messages, 2)] == [2, 3]


async def test_large_messages_arrive_all_and_in_order(api: GaterApi, topic: str) -> None:
    channel = api.pubsub("audit")
    async with channel.subscribe(topic) as messages:
        for number in range(12):
            await channel.broadcast(topic, [number, "x" * 300_000])
        assert [body[0] for _, body in await heard(messages, 12)] == list(range(12))


@pytest.mark.parametrize(
    "name", ["event", "Events", "ex_esdb_", "ex_esdb_event", "events ", "*", "ex_esdb_ex_esdb_events"]
)
async def test_an_unknown_instance_is_refused(api: GaterApi, topic: str, name: str) -> None:
    with refused(InvalidArgumentError, argument="instance"):
        await api.pubsub(name).broadcast(topic, 1)
    with refused(InvalidArgumentError, argument="instance"):
        async with api.pubsub(name).subscribe(topic):
            pass


@pytest.mark.parametrize("wrong", [*NO_TOPICS, 5, None, b"bytes"], ids=lambda wrong: repr(wrong)[:10])
async def test_what_is_no_topic_is_refused(api: GaterApi, wrong: Any) -> None:
    with refused(InvalidArgumentError, argument="topic"):
        await api.pubsub("events").broadcast(wrong, 1)


@pytest.mark.parametrize("wrong", NO_TOPICS, ids=lambda wrong: repr(wrong)[:10])
async def test_what_is_no_pattern_is_refused(api: GaterApi, wrong: Any) -> None:
    with refused(InvalidArgumentError, argument="pattern"):
        async with api.pubsub("events").subscribe(wrong):
            pass


async def test_a_topic_may_be_long_and_of_any_letters(api: GaterApi) -> None:
    topic = "ö" * (MAX_TOPIC_BYTES // 2)
    async with api.pubsub("events").subscribe(topic) as messages:
        await api.pubsub("events").broadcast(topic, 1)
        assert await heard(messages, 1) == [(topic, 1)]


# --- how the instances stand ---


async def test_the_instances_say_how_they_stand(api: GaterApi, topic: str) -> None:
    before = {each.name: each for each in await api.get_pubsub()}
    assert list(before) == [instance.value for instance in Instance]
    for instance, policy in POLICIES.items():
        shown = before[instance]
        assert (shown.purpose, shown.overflow, shown.bound) == (policy.purpose, policy.overflow.value, policy.bound)
    async with api.pubsub("events").subscribe(topic), api.pubsub("events").subscribe(topic):
        await api.pubsub("events").broadcast(topic, 1)
        now = {each.name: each for each in await api.get_pubsub()}
        counted = [
            getattr(now["events"], name) - getattr(before["events"], name) for name in ("published", "delivered")
        ]
        assert counted == [1, 2]
        assert now["events"].subscribers >= 2
