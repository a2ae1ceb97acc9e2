"""The operations that may be repeated, each with what it needs before, and what a store holds after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gater import NO_STREAM, STREAM_EXISTS, NewEvent, StreamAppend, StreamGuard
from tests.contract.consumers import NAME

Act = Callable[[Any, str, Any], Awaitable[Any]]
"""An operation on a store by an API, with what its preparation has found."""
WHOLE = {"by_stream": "$all"}
SETTINGS = {"checkpoint_interval": 0.01, "ack_timeout": 600.0}


def event(number: int) -> NewEvent:
    """The event of that number, always with the same id."""
    return NewEvent("Counted", {"number": number}, event_id=f"00000000-0000-7000-8000-{number:012d}")


async def written(api: Any, store: str) -> None:
    """Write three events to the stream `s`, and one to `other`."""
    await api.append_events(store, "s", [event(number) for number in range(3)])
    await api.append_events(store, "other", [event(3)])


async def recorded(api: Any, store: str) -> None:
    """Keep a snapshot."""
    await api.record_snapshot(store, "cart", "s", 2, {"data": {"total": 3}, "created_epoch": 1})


async def saved(api: Any, store: str) -> None:
    """Write events, and keep a subscription to all of them."""
    await written(api, store)
    await api.save_subscription(store, WHOLE, None, NAME, **SETTINGS)


async def pulled(api: Any, store: str) -> Any:
    """Deliveries of two events."""
    await saved(api, store)
    return await api.pull_events(store, NAME, 2, wait=10.0)


async def parked(api: Any, store: str) -> None:
    """Set two events aside."""
    for delivery in await pulled(api, store):
        await api.nack_event(store, NAME, delivery, "park", reason="broken")


@dataclass(frozen=True)
class Repeatable:
    """One operation."""

    act: Act
    prepare: Callable[[Any, str], Awaitable[Any]] = written
    counts: bool = False
    """Whether its answer says how much it changed, which is nothing the second time."""


REPEATABLE: dict[str, Repeatable] = {
    "append": Repeatable(lambda api, store, _: api.append_events(store, "s", [event(7), event(8)], 2)),
    "append_new_stream": Repeatable(lambda api, store, _: api.append_events(store, "new", [event(7)], NO_STREAM)),
    "append_large": Repeatable(
        lambda api, store, _: api.append_events(
            store, "s", [NewEvent("Large", "x" * 300_000, event_id=event(9).event_id)], 2
        )
    ),
    "append_streams": Repeatable(
        lambda api, store, _: api.append_streams(
            store,
            [StreamAppend("s", [event(7)], 2), StreamAppend("new", [event(8)], NO_STREAM)],
            [StreamGuard("other", 0)],
        )
    ),
    "import": Repeatable(
        lambda api, store, _: api.import_events(
            store,
            [
                {
                    "stream_id": "imported",
                    "version": number,
                    "event_id": event(10 + number).event_id,
                    "event_type": "T",
                    "created_epoch": 1,
                }
                for number in range(3)
            ],
        ),
        counts=True,
    ),
    "delete_stream": Repeatable(lambda api, store, _: api.delete_stream(store, "s")),
    "tombstone": Repeatable(lambda api, store, _: api.delete_stream(store, "s", tombstone=True)),
    "truncate_stream": Repeatable(lambda api, store, _: api.truncate_stream(store, "s", 2)),
    "record_snapshot": Repeatable(
        lambda api, store, _: api.record_snapshot(store, "cart", "s", 1, {"data": {"total": 2}, "created_epoch": 1})
    ),
    "delete_snapshot": Repeatable(lambda api, store, _: api.delete_snapshot(store, "cart", "s", 2), recorded),
    "save_subscription": Repeatable(
        lambda api, store, _: api.save_subscription(store, WHOLE, None, NAME, 2, **SETTINGS, max_retries=7), saved
    ),
    "remove_subscription": Repeatable(lambda api, store, _: api.remove_subscription(store, WHOLE, None, NAME), saved),
    "rewind_position": Repeatable(lambda api, store, _: api.rewind_subscription(store, NAME, 3), saved),
    "rewind_time": Repeatable(
        lambda api, store, _: api.rewind_subscription(store, NAME, time=datetime(2020, 1, 1, tzinfo=UTC)), saved
    ),
    "ack": Repeatable(lambda api, store, deliveries: api.ack_event(store, NAME, deliveries[0]), pulled),
    "park": Repeatable(
        lambda api, store, deliveries: api.nack_event(store, NAME, deliveries[0], "park", reason="broken"), pulled
    ),
    "skip": Repeatable(lambda api, store, deliveries: api.nack_event(store, NAME, deliveries[0], "skip"), pulled),
    "discard_parked": Repeatable(lambda api, store, _: api.discard_parked(store, NAME), parked, counts=True),
    "read_stream": Repeatable(lambda api, store, _: api.get_events(store, "s")),
    "read_all": Repeatable(lambda api, store, _: api.read_all(store)),
    "get_version": Repeatable(lambda api, store, _: api.get_version(store, "s")),
    "get_streams": Repeatable(lambda api, store, _: api.get_streams(store)),
    "list_parked": Repeatable(lambda api, store, _: api.list_parked(store, NAME), parked),
}


REPEATED_BY_CLIENTS: dict[str, Repeatable] = {
    "delete_stream_that_exists": Repeatable(lambda api, store, _: api.delete_stream(store, "s", STREAM_EXISTS)),
    "discard_positions": Repeatable(lambda api, store, _: api.discard_parked(store, NAME, [1]), parked, counts=True),
    "replay_positions": Repeatable(lambda api, store, _: api.replay_parked(store, NAME, [1]), parked),
    "retry": Repeatable(
        lambda api, store, deliveries: api.nack_event(store, NAME, deliveries[0], "retry", delay=60.0), pulled
    ),
}
"""Operations that are refused when an application says them twice, and not when its client does."""


def shown(value: Any) -> Any:
    """An answer without what differs from store to store: when something was written, and when it was parked."""
    if isinstance(value, list):
        return [shown(one) for one in value]
    if hasattr(value, "event_type"):
        return value.stream_id, value.version, value.position, value.event_id, value.event_type, value.raw_data
    if hasattr(value, "parked_epoch"):
        return value.position, value.reason, value.attempts, shown(value.event)
    if hasattr(value, "created_epoch"):
        return value.name, value.selector, value.start_from, value.settings
    return value


async def facts(api: Any, store: str) -> Any:
    """What a store holds."""
    subscriptions = [
        (one.name, one.selector, one.start_from, one.settings.max_retries, one.parked)
        for one in await api.get_subscriptions(store)
    ]
    snapshots = [(one.source_uuid, one.stream_uuid, one.version, one.data) for one in await api.list_snapshots(store)]
    set_aside = [shown(await api.list_parked(store, one[0])) for one in subscriptions]
    return shown(await api.read_all(store)), await api.get_streams(store), snapshots, subscriptions, set_aside
