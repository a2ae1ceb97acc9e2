"""Operations on the subscriptions of this node's stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from time import perf_counter
from typing import Any, Final

from gater.api import subscription_operations as op
from gater.api.arguments import LIVE, check_begin, check_count, check_position, check_wait
from gater.gateway.handling import Handler, StoresContext, StreamHandler, in_task
from gater.gateway.histories import check_goes_on, check_start
from gater.model.errors import SubscriptionNotFoundError
from gater.model.events import EVENT_WEIGHT
from gater.model.identifiers import check_name
from gater.model.limits import MOST_SETTLED, PAGE_BYTES, check_number
from gater.model.outcome import Done
from gater.model.selectors import parse_selector
from gater.model.subscriptions import check_nack, given_settings
from gater.store.store import Store
from gater.store.subscription_reader import selector_json
from gater.subscriptions.catch_up import FollowedPage, follow
from gater.subscriptions.durable import Delivery, DurableSubscription
from gater.subscriptions.durables import Durables
from gater.subscriptions.group_outcome import Outcome
from gater.subscriptions.matching import compile_selector

MOST_LISTED: Final = 1_000
LISTING_SECONDS: Final = 0.2
"""How long a page of subscriptions goes on finding out more of their lags."""

REFUSED: Final = {Outcome.STALE: "stale", Outcome.UNKNOWN: "unknown"}


# --- following ---


def subscribe(context: StoresContext, operation: op.SubscribeOperation) -> AsyncGenerator[FollowedPage, None]:
    """Matching events from a point on, for ever."""
    return _following(context.stores.get(operation.store), operation)


def consume(context: StoresContext, operation: op.Consume) -> AsyncGenerator[list[Delivery], None]:
    """Deliveries to one consumer, for ever."""
    prefetch = check_count(operation.prefetch)
    durable = context.stores.durables(operation.store).get(operation.subscription)
    return durable.consume(prefetch, operation.number)


# --- at once ---


def settle(context: StoresContext, operation: op.Settle, done: Done) -> None:
    """Settle deliveries in their order; those that cannot be are answered.

    A consumer that stops gives back what it holds first: an event that it settles with the same call names it.
    """
    durable, failed = _settled_now(context, operation)
    durable.after_settling()
    done(failed, None)


def report(context: StoresContext, operation: op.Report, done: Done) -> None:
    """Settle deliveries of a consumer, and note which it has begun to process."""
    durable, failed = _settled_now(context, operation)
    lost, hidden = durable.report(operation.number, operation.begun, leaves=operation.leaves)
    durable.after_settling()
    done(op.Reported(failed, lost, durable.config.settings.ack_timeout, hidden), None)


def _settled_now(
    context: StoresContext, operation: op.Settle | op.Report
) -> tuple[DurableSubscription, list[op.Unsettled]]:
    """A subscription, and those of the deliveries that could not be settled."""
    check_number("acknowledgements", len(operation.acks), MOST_SETTLED)
    check_number("refused deliveries", len(operation.nacks), MOST_SETTLED)
    durable = context.stores.durables(operation.store).get(operation.subscription)
    failed: list[op.Unsettled] = []
    for nack in operation.nacks:
        if nack.action == "stop":
            _nack(durable, nack, failed)
    for ack in operation.acks:
        outcome = durable.ack(ack.position, ack.receipt or None)
        if outcome in REFUSED:
            failed.append(op.Unsettled(ack.position, REFUSED[outcome]))
    for nack in operation.nacks:
        if nack.action != "stop":
            _nack(durable, nack, failed)
    return durable, failed


def health(context: StoresContext, operation: op.GetSubscriptionHealth, done: Done) -> None:
    """The recent health of a subscription."""
    done(context.stores.durables(operation.store).health(operation.subscription), None)


# --- in tasks ---


async def list_subscriptions(context: StoresContext, operation: op.GetSubscriptions) -> Any:
    """The state of each subscription, for one page; none: there are no more. Others have their turn between two."""
    durables, limit = context.stores.durables(operation.store), min(check_count(operation.limit), MOST_LISTED)
    found: list[Any] = []
    size, end = 0, perf_counter() + LISTING_SECONDS
    for name in durables.names(operation.after, limit):
        try:
            info = durables.info(name, counts=perf_counter() < end)
        except SubscriptionNotFoundError:
            continue  # it was removed a moment ago
        found.append(info)
        size += EVENT_WEIGHT + len(selector_json(info.selector))
        if size >= PAGE_BYTES:
            break
        await asyncio.sleep(0)
    return found


async def get(context: StoresContext, operation: op.GetSubscription) -> Any:
    """The state of a subscription; events that were parked before are counted as parked."""
    durables = await _settled(context, operation.store, operation.subscription)
    with context.stores.get(operation.store).reading():
        return durables.info(operation.subscription, counts=True)


async def list_parked(context: StoresContext, operation: op.ListParked) -> Any:
    """A page of what is parked."""
    after, limit = check_position(operation.after, "after"), min(check_count(operation.limit), MOST_LISTED)
    durables = await _settled(context, operation.store, operation.subscription)
    with context.stores.get(operation.store).reading():
        return durables.parked(operation.subscription, after, limit)


async def save(context: StoresContext, operation: op.SaveSubscriptionOperation) -> Any:
    """Make or change one."""
    selector = parse_selector(operation.selector)
    begin = None if operation.start_from is None else check_begin(operation.start_from)
    name, settings = check_name(operation.subscription, "name"), given_settings(operation.settings)
    return await context.stores.durables(operation.store).save(selector, name, begin, settings)


async def remove(context: StoresContext, operation: op.RemoveSubscriptionOperation) -> None:
    """Forget one."""
    selector = parse_selector(operation.selector)
    await context.stores.durables(operation.store).remove(selector, check_name(operation.subscription, "name"))


async def pull(context: StoresContext, operation: op.Pull) -> Any:
    """Deliveries for the holder of their receipts."""
    durable = context.stores.durables(operation.store).get(operation.subscription)
    return await durable.pull(check_count(operation.count), check_wait(operation.wait))


async def rewind(context: StoresContext, operation: op.RewindSubscriptionOperation) -> int:
    """Begin again elsewhere."""
    return await context.stores.durables(operation.store).rewind(
        operation.subscription, operation.position, operation.epoch
    )


async def replay(context: StoresContext, operation: op.ReplayParkedOperation) -> int:
    """Deliver parked events again."""
    durables = await _settled(context, operation.store, operation.subscription)
    return await durables.replay(operation.subscription, operation.positions, again=operation.again)


async def discard(context: StoresContext, operation: op.DiscardParkedOperation) -> int:
    """Forget parked events."""
    durables = await _settled(context, operation.store, operation.subscription)
    return await durables.discard(operation.subscription, operation.positions, again=operation.again)


async def _settled(context: StoresContext, store: str, subscription: str) -> Durables:
    """The subscriptions of a store, once everything takes effect that was said to one of them before."""
    durables = context.stores.durables(store)
    await durables.parks_written(subscription)
    return durables


def _nack(durable: DurableSubscription, nack: op.Nack, failed: list[op.Unsettled]) -> None:
    action, delay, reason = check_nack(nack.action, nack.delay, nack.reason)
    outcome = durable.nack(nack.position, nack.receipt or None, action, delay, reason)
    if outcome in REFUSED:
        failed.append(op.Unsettled(nack.position, REFUSED[outcome]))


async def _following(store: Store, operation: op.SubscribeOperation) -> AsyncGenerator[FollowedPage, None]:
    matcher = compile_selector(parse_selector(operation.selector))
    begin = check_begin(operation.start_from)
    start = None if begin == LIVE else begin
    check_goes_on(store, operation)
    if start is not None:
        check_start(store, operation, matcher.selector.stream_id, start)
    pages = follow(store, matcher, start)
    store.subscribers += 1
    try:
        while True:  # a suspended follower must hold no page
            try:
                yield await anext(pages)
            except StopAsyncIteration:
                return
    finally:
        store.subscribers -= 1
        await pages.aclose()


HANDLERS: Final[dict[type, Handler]] = {
    op.Settle: settle,
    op.Report: report,
    op.GetSubscriptionHealth: health,
    op.GetSubscription: in_task(get),
    op.GetSubscriptions: in_task(list_subscriptions),
    op.SaveSubscriptionOperation: in_task(save),
    op.RemoveSubscriptionOperation: in_task(remove),
    op.Pull: in_task(pull),
    op.ListParked: in_task(list_parked),
    op.ReplayParkedOperation: in_task(replay),
    op.DiscardParkedOperation: in_task(discard),
    op.RewindSubscriptionOperation: in_task(rewind),
}
STREAMS: Final[dict[type, StreamHandler]] = {op.SubscribeOperation: subscribe, op.Consume: consume}
