"""What the gateway counts: every call and every stream, however it ends, and what it looks up when it is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from gater.api import operations as op
from gater.api import subscription_operations as sub
from gater.api import telemetry_operations as tel
from gater.api.operation import Operation, StreamingOperation
from gater.api.origin import IN_PROCESS
from gater.api.pubsub_operations import Listen
from gater.gateway.gateway import Gateway
from gater.gateway.local_caller import LocalCaller
from gater.messages.payloads.alerts import SystemAlert
from gater.model.commands import StreamWrite
from gater.model.errors import GaterError, InternalError, StoreNotFoundError, StoreUnavailableError
from gater.model.events import JSON, RawEvent
from gater.model.selectors import parse_selector
from gater.pubsub.instances import Instance
from gater.telemetry.calls import OperationCalls
from tests.unit.gateway.calls import answer, in_memory

EVERYTHING = parse_selector("by_stream", "$all")
SUBSCRIBE = sub.SubscribeOperation("s", EVERYTHING, 0)


def append(number: int = 0, expected: int = -2) -> op.AppendStreams:
    return op.AppendStreams("s", (StreamWrite("a", (RawEvent(number.to_bytes(16), "T", JSON, b"{}"),), expected),))


def counted(gateway: Gateway, operation: str) -> OperationCalls:
    [found] = [calls for calls in gateway.metrics.calls if calls.operation == operation]
    return found


def defective(*_: Any) -> Any:
    raise ZeroDivisionError("a defect")


async def defective_later(*_: Any) -> Any:
    raise ZeroDivisionError("a defect")


# --- calls ---


async def test_calls_are_counted_with_their_errors(gateway: Gateway) -> None:
    await answer(gateway, append())
    for operation in (append(1, expected=5), append(2, expected=7)):
        with pytest.raises(GaterError):
            await answer(gateway, operation)
    await answer(gateway, op.GetVersion("s", "a"))
    calls = counted(gateway, "append_streams")
    assert (calls.started, calls.current, calls.durations.count) == (3, 0, 3)
    assert (calls.errors.as_dict(), calls.failures) == ({"wrong_expected_version": 2}, 0)
    figures = (await answer(gateway, tel.GetMetrics()))["api_calls"]
    assert (figures["total"], figures["errors"], figures["failures"]) == (4, 2, 0)
    assert figures["by_function"] == {"append_streams": 3, "get_version": 1, "get_metrics": 1}
    assert figures["current_calls"] == 1, "the question itself"


async def test_a_call_is_under_way_until_it_is_answered(gateway: Gateway) -> None:
    waiting = answer(gateway, append())
    assert counted(gateway, "append_streams").current == 1
    await waiting
    assert counted(gateway, "append_streams").current == 0


async def test_a_call_to_a_gateway_that_is_closed_is_counted() -> None:
    async with in_memory("s") as gateway:
        pass
    with pytest.raises(StoreUnavailableError):
        await answer(gateway, op.GetVersion("s", "a"))
    calls = counted(gateway, "get_version")
    assert (calls.current, calls.failures) == (0, 1)


@pytest.mark.parametrize(
    ("place", "defect", "operation"),
    [
        pytest.param("gater.gateway.writes.admit_append", defective, append(), id="in a handler"),
        pytest.param("gater.store.reader.Reader.version", defective, op.GetVersion("s", "a"), id="in a read"),
        pytest.param("gater.store.store.Store.verify", defective_later, op.VerifyStore("s"), id="in a task"),
    ],
)
async def test_a_defect_is_an_internal_error_and_leaves_nothing_under_way(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
    defect: Callable[..., Any],
    operation: Operation[Any],
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(place, defect)
        with pytest.raises(InternalError, match="a defect"):
            await answer(gateway, operation)
    calls = counted(gateway, operation.name)
    assert (calls.current, calls.failures, calls.errors.as_dict()) == (0, 1, {"internal_error": 1})
    assert [line.exc_info is not None for line in caplog.records if line.getMessage() == "an operation failed"] == [
        True
    ]
    await answer(gateway, operation)
    assert (calls.started, calls.current, calls.failures) == (2, 0, 1)


async def test_a_failure_is_told_as_an_alert_and_a_refusal_is_not(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway.pubsub.subscribe(Instance.ALERTS, "*") as alerts, gateway.pubsub.subscribe("metrics", "*") as told:
        with pytest.raises(StoreNotFoundError):
            await answer(gateway, op.GetVersion("nowhere", "a"))
        assert (alerts.take(), told.take()) == ([], [])
        monkeypatch.setattr("gater.gateway.writes.admit_append", defective)
        with pytest.raises(InternalError):
            await answer(gateway, append())
        [message] = alerts.take()
        alert = gateway.announcements.messenger.open(message.body)
        assert isinstance(alert, SystemAlert)
        assert (alert.title, alert.source) == ("internal_error", "append_streams")
        [notice] = told.take()
        assert (notice.topic, notice.body[0], notice.body[1]["alert"]) == (
            "gater:alerts",
            "performance_alert",
            "api_call_error",
        )


# --- streams ---


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(op.ScanAll("s"), id="scan"),
        pytest.param(SUBSCRIBE, id="subscribe"),
        pytest.param(Listen("events", "*"), id="listen"),
    ],
)
async def test_a_stream_is_counted_while_it_is_open(gateway: Gateway, operation: StreamingOperation[Any]) -> None:
    await answer(gateway, append())
    async with aclosing(gateway.stream(operation, IN_PROCESS)) as items:
        await anext(items)
        calls = counted(gateway, operation.name)
        assert (calls.streams_opened, calls.streams_open) == (1, 1)
    assert (calls.streams_open, calls.started, calls.errors.total) == (0, 0, 0)


async def test_a_stream_that_is_refused_is_counted(gateway: Gateway) -> None:
    for operation in (op.ScanAll("nowhere"), sub.Consume("s", "nobody", 1)):
        with pytest.raises(GaterError):
            await anext(gateway.stream(operation, IN_PROCESS))
        calls = counted(gateway, operation.name)
        assert (calls.streams_opened, calls.streams_open, calls.errors.total, calls.failures) == (1, 0, 1, 0)


async def test_a_stream_that_ends_in_a_defect_is_counted_as_a_failure(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> AsyncGenerator[Any, None]:
        yield []
        defective()

    monkeypatch.setitem(gateway._streams, op.ScanAll, broken)
    items = gateway.stream(op.ScanAll("s"), IN_PROCESS)
    await anext(items)
    with pytest.raises(ZeroDivisionError):
        await anext(items)
    calls = counted(gateway, "scan_all")
    assert (calls.streams_open, calls.errors.as_dict(), calls.failures) == (0, {"internal_error": 1}, 1)


# --- what is looked up ---


async def test_metrics_look_at_stores_logs_instances_subscriptions_and_workers(gateway: Gateway) -> None:
    await answer(gateway, append())
    await answer(gateway, sub.SaveSubscriptionOperation("s", EVERYTHING, "mail", 0, {}))
    await answer(gateway, sub.GetSubscription("s", "mail"))
    sources = gateway.metrics.sources
    assert [(status.store, status.position) for status in sources.stores()] == [("s", 1)]
    assert sources.logs()["s"].commands >= 2
    assert list(sources.instances()) == list(Instance)
    assert sources.messages().sent == 0
    assert [(store, info.name, info.lag) for store, info in sources.subscriptions()] == [("s", "mail", 1)]
    assert sources.workers is not None
    assert sources.workers() == {"s": 1}
    await answer(gateway, op.CreateStore("t"))
    assert sources.workers() == {"s": 1, "t": 1}


async def test_messages_are_counted_and_a_reset_begins_anew(gateway: Gateway) -> None:
    api = LocalCaller(gateway.door)
    with gateway.pubsub.subscribe("events", "*"):
        gateway.pubsub.broadcast("events", "t", 1)
    assert (await api.call(tel.GetMetrics()))["pubsub_messages"] == {"sent": 1, "received": 1, "by_topic": {"t": 1}}
    await api.call(tel.ResetMetrics())
    found = await api.call(tel.GetMetrics())
    assert (found["pubsub_messages"]["sent"], found["pubsub_messages"]["by_topic"]) == (0, {})
    assert found["api_calls"]["by_function"] == {"get_metrics": 1}


async def test_metrics_can_be_looked_at_before_the_start_and_after_the_end() -> None:
    async with in_memory("s") as gateway:
        pass
    assert gateway.metrics.sources.instances() == {}
    assert gateway.metrics.sources.topics() == {}
    assert gateway.metrics.get_metrics()["pubsub_messages"]["sent"] == 0
