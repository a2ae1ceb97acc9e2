"""Pub/sub as the API offers it: what may be said, listening that goes on after a lost connection, the blocking twin."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

import gater
from gater import BlockingGaterApi, GaterApi
from gater.api import pubsub_api
from gater.api.operation import Operation, StreamingOperation
from gater.api.pubsub_operations import CheckedPublish, GetPubSub, Listen, PubSubMessage
from gater.api.resuming import LONGEST_DELAY, backoff
from gater.model.errors import (
    GaterError,
    InvalidArgumentError,
    OverloadedError,
    PermissionDeniedError,
    RequestTooLargeError,
    StoreUnavailableError,
    ValidationError,
)
from gater.model.message_body import MOST_BODY_BYTES, check_body
from gater.pubsub.instances import POLICIES, Instance

LOST = StoreUnavailableError(reason="the connection was lost")
WAIT = 10.0


class Scripted:
    """A caller whose streams give what the test says: pages, or an error that ends one; the last one ends by itself."""

    def __init__(self, *streams: list[Any], resumes: bool = True) -> None:
        self.resumes = resumes
        self.patience = 5.0
        self.asked: list[Operation[Any]] = []
        self.closed = 0
        self._streams = list(streams)

    async def call(self, operation: Operation[Any], timeout: float | None = None) -> Any:
        self.asked.append(operation)
        return 3

    async def stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        self.asked.append(operation)
        try:
            for item in self._streams.pop(0):
                if isinstance(item, GaterError):
                    raise item.again()
                yield [PubSubMessage("t", body) for body in item]
        finally:
            self.closed += 1

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; what would have been waited is noted."""
    waited: list[float] = []

    def noted(failures: int) -> float:
        waited.append(backoff(failures))
        return 0.0

    monkeypatch.setattr(pubsub_api, "backoff", noted)
    return waited


async def bodies(caller: Scripted) -> list[Any]:
    """What is heard until the stream ends."""
    async with GaterApi(caller).pubsub("events").subscribe("t") as messages:
        return [message.body async for message in messages]


# --- what may be said ---


def nested(levels: int) -> Any:
    body: Any = []
    for _ in range(levels):
        body = [body]
    return body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(object(), id="object"),
        pytest.param(len, id="function"),
        pytest.param(1j, id="complex"),
        pytest.param({"deep": [{"er": object()}]}, id="object within"),
        pytest.param(1 << 64, id="too large a number"),
        pytest.param(-(1 << 63) - 1, id="too small a number"),
        pytest.param("\ud800", id="half a character"),
        pytest.param((n for n in range(3)), id="generator"),
        pytest.param(nested(100_000), id="too deep"),
    ],
)
async def test_what_is_no_plain_data_is_refused_before_it_travels(body: Any) -> None:
    caller = Scripted()
    with pytest.raises(ValidationError) as caught:
        await GaterApi(caller).pubsub("events").broadcast("t", body)
    assert (caught.value.field, caller.asked) == ("message", [])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"a": [1, 2.5, "x", True, None]}, id="map"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param((1 << 64) - 1, id="large number"),
        pytest.param(datetime(2026, 1, 2, tzinfo=UTC), id="time"),
    ],
)
async def test_plain_data_is_passed_on_as_it_is(body: Any) -> None:
    caller = Scripted()
    assert check_body(body) is body
    assert await GaterApi(caller).pubsub("events").broadcast("t", body) == 3
    assert caller.asked == [CheckedPublish("events", "t", body)]


async def test_a_message_that_is_too_large_is_refused_before_it_travels() -> None:
    caller = Scripted()
    with pytest.raises(RequestTooLargeError):
        await GaterApi(caller).pubsub("events").broadcast("t", "x" * MOST_BODY_BYTES)
    assert caller.asked == []


@pytest.mark.parametrize("body", [[0] * 99_999, {str(key): 0 for key in range(49_999)}, [[0] * 99_998]])
def test_a_message_of_too_many_values_is_refused(body: Any) -> None:
    """It would be encoded for each listener in one step."""
    assert check_body(body) is body
    more = [*body, 0] if isinstance(body, list) else {**body, "more": 0}
    for nested in (more, [more], {"a": more}):
        with pytest.raises(RequestTooLargeError) as caught:
            check_body(nested)
        assert caught.value.details["what"] == "values"


@pytest.mark.parametrize("name", ["health", "ex_esdb_health", Instance.HEALTH])
async def test_an_instance_has_two_names_and_travels_under_one(name: str) -> None:
    caller = Scripted([[]])
    channel = GaterApi(caller).pubsub(name)
    async with channel.subscribe("node_*"):
        pass
    await channel.broadcast("t", 1)
    assert channel.instance is Instance.HEALTH
    assert caller.asked == [Listen("health", "node_*"), CheckedPublish("health", "t", 1)]


@pytest.mark.parametrize("name", ["weather", "", "EX_ESDB_HEALTH", None, 7])
def test_another_instance_is_refused(name: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        GaterApi(Scripted()).pubsub(name)


@pytest.mark.parametrize("topic", ["", "a\nb", None, 7, "x" * 2_000])
async def test_what_is_no_topic_is_refused_before_it_travels(topic: Any) -> None:
    caller = Scripted()
    channel = GaterApi(caller).pubsub("events")
    with pytest.raises(InvalidArgumentError):
        channel.subscribe(topic)
    with pytest.raises(InvalidArgumentError):
        await channel.broadcast(topic, 1)
    assert caller.asked == []


async def test_how_the_instances_stand_is_asked_as_a_value() -> None:
    caller = Scripted()
    await GaterApi(caller).get_pubsub()
    assert caller.asked == [GetPubSub()]


# --- listening ---


async def test_messages_come_one_by_one_in_order() -> None:
    assert await bodies(Scripted([[], [1, 2, 3], [], [4]])) == [1, 2, 3, 4]


async def test_listening_has_begun_when_the_block_is_entered() -> None:
    caller = Scripted([[], [1]])
    listening = GaterApi(caller).pubsub("events").subscribe("t")
    assert caller.asked == []
    async with listening as messages:
        assert caller.asked == [Listen("events", "t")]
        assert (await anext(messages)).body == 1


async def test_listening_begins_without_a_block_too() -> None:
    caller = Scripted([[], [1, 2]])
    listening = GaterApi(caller).pubsub("events").subscribe()
    assert [message.body async for message in listening] == [1, 2]
    assert caller.asked == [Listen("events", "*")]


async def test_a_lost_connection_is_made_again(waited: list[float]) -> None:
    caller = Scripted([[], [1], LOST], [LOST], [LOST], [[], [2, 3], LOST], [[], [4]])
    assert await bodies(caller) == [1, 2, 3, 4]
    assert (len(caller.asked), caller.closed) == (5, 5)
    assert waited[0] <= waited[1] <= waited[2]
    assert waited[3] <= waited[1], "a success begins the count anew"


async def test_waiting_is_bounded(waited: list[float]) -> None:
    assert await bodies(Scripted([[], LOST], *[[LOST]] * 30, [[], [1]])) == [1]
    assert len(waited) == 31
    assert all(LONGEST_DELAY / 2 <= each <= LONGEST_DELAY for each in waited[10:])


async def test_who_does_not_resume_is_told_of_the_loss() -> None:
    caller = Scripted([[], [1], LOST], [[], [2]], resumes=False)
    with pytest.raises(StoreUnavailableError):
        await bodies(caller)
    assert len(caller.asked) == 1


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OverloadedError("messages", 7), id="overloaded"),
        pytest.param(PermissionDeniedError("listen", "admin"), id="refused"),
    ],
)
async def test_an_overloaded_or_refused_listener_is_told(error: GaterError) -> None:
    caller = Scripted([[], [1], error], [[], [2]])
    async with GaterApi(caller).pubsub("audit").subscribe("t") as messages:
        assert (await anext(messages)).body == 1
        with pytest.raises(type(error)):
            await anext(messages)
    assert (len(caller.asked), caller.closed) == (1, 1)


async def test_a_refusal_is_met_when_the_block_is_entered() -> None:
    caller = Scripted([PermissionDeniedError("listen", "admin")])
    with pytest.raises(PermissionDeniedError):
        async with GaterApi(caller).pubsub("audit").subscribe("t"):
            raise AssertionError("listening has not begun")
    assert caller.closed == 1


async def test_leaving_the_block_ends_the_stream() -> None:
    caller = Scripted([[], [1], [2]])
    async with GaterApi(caller).pubsub("events").subscribe("t") as messages:
        assert (await anext(messages)).body == 1
        assert caller.closed == 0
    assert caller.closed == 1
    await messages.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(messages)


async def test_a_slow_listener_to_alerts_reads_what_it_has_and_is_told() -> None:
    async with gater.open(":memory:") as api:
        channel = api.pubsub("alerts")
        async with channel.subscribe("t") as messages:
            while await channel.broadcast("t", 1):
                pass
            for _ in range(POLICIES[Instance.ALERTS].hard_bound):
                await anext(messages)
            with pytest.raises(OverloadedError):
                await anext(messages)


# --- the blocking twin ---


@pytest.fixture
def api() -> Iterator[BlockingGaterApi]:
    with gater.open_sync(":memory:") as opened:
        yield opened


def test_a_blocking_listener_hears_what_is_said(api: BlockingGaterApi) -> None:
    channel = api.pubsub("ex_esdb_events")
    assert channel.instance is Instance.EVENTS
    with channel.subscribe("a*") as messages, ThreadPoolExecutor() as pool:
        waiting = pool.submit(next, messages)
        assert [channel.broadcast(topic, {"n": 1}) for topic in ("b", "a1", "a2")] == [0, 1, 1]
        assert waiting.result(WAIT) == PubSubMessage("a1", {"n": 1})
        assert next(messages).topic == "a2"
    assert next(messages, None) is None
    assert channel.broadcast("a1", 1) == 0


def test_blocking_calls_refuse_as_the_async_ones_do(api: BlockingGaterApi) -> None:
    with pytest.raises(InvalidArgumentError):
        api.pubsub("weather")
    with pytest.raises(InvalidArgumentError):
        api.pubsub("events").subscribe("")
    with pytest.raises(ValidationError):
        api.pubsub("events").broadcast("t", object())
    assert [status.name for status in api.get_pubsub()] == list(Instance)
