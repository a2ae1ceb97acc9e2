"""Routes for consumers of a durable subscription: pulling events, and settling each."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from gater.api import subscription_operations as op
from gater.api.arguments import check_position, check_wait
from gater.api.delivery import Delivery
from gater.model.identifiers import check_name, check_store_id
from gater.model.json_view import event_view
from gater.model.limits import MOST_SETTLED, check_number
from gater.model.subscriptions import LONGEST_SECONDS, NACK_ACTIONS, check_nack
from gater.server.http.answers import Answer, ShownEvent, json_answer
from gater.server.http.bodies import WholeNumber, decoded
from gater.server.http.documented import NUMBER_SCHEMA, documented
from gater.server.http.durable import named
from gater.server.http.large_bodies import read_deliveries
from gater.server.http.paths import SUBSCRIPTION
from gater.server.http.receiving import json_body, large_body
from gater.server.http.requests import AnyRequest, access_of, service_of
from gater.server.service import Access

STEP_SECONDS: Final = 1.0
"""How long a pull waits until it looks whether there still is somebody to answer."""
CALLER_LEFT: Final = "who pulled it was gone"

Body = TypeVar("Body")

_SECONDS_SCHEMA: Final = {"minimum": 0, "maximum": LONGEST_SECONDS}


class PullBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of events to pull, and the seconds to wait for the first one."""

    count: Annotated[int, msgspec.Meta(extra_json_schema={**NUMBER_SCHEMA, "minimum": 1})] = 100
    wait: Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": op.LONGEST_WAIT})] = 0.0


class AckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event that was processed; without a `receipt`, whichever delivery of it is in flight."""

    position: WholeNumber
    receipt: WholeNumber = 0


class NackBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event that was not processed.

    `retry` delivers it again, after `delay` seconds (null: the subscription's backoff); `park` sets it aside with the
    `reason`; `skip` lets it go; `stop` gives back everything that was pulled and not settled; `unknown` is `retry`.
    """

    position: WholeNumber
    receipt: WholeNumber = 0
    action: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*NACK_ACTIONS]})] = "retry"
    delay: Annotated[float, msgspec.Meta(extra_json_schema=_SECONDS_SCHEMA)] | None = None
    reason: str | None = None


class AcksBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events that were processed."""

    deliveries: Annotated[list[AckBody], msgspec.Meta(extra_json_schema={"maxItems": MOST_SETTLED})]


class NacksBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events that were not processed."""

    deliveries: Annotated[list[NackBody], msgspec.Meta(extra_json_schema={"maxItems": MOST_SETTLED})]


class ShownDelivery(msgspec.Struct, frozen=True):
    """An event to process; `attempt` is 1 at first, `receipt` tells this delivery from others of the same event."""

    event: ShownEvent
    attempt: int
    receipt: int


class Pulled(msgspec.Struct, frozen=True):
    """Events to process, to be settled before the subscription's ack timeout."""

    deliveries: list[ShownDelivery]


class NotSettled(msgspec.Struct, frozen=True):
    """A delivery that could not be settled: `stale` (delivered again since) or `unknown` (not in flight)."""

    position: int
    why: str


class Settled(msgspec.Struct, frozen=True):
    """The number of deliveries that are settled, now or before, and those that could not be."""

    settled: int
    failed: list[NotSettled]


decode_pull: Final = msgspec.json.Decoder(PullBody).decode
decode_acks: Final = msgspec.json.Decoder(AcksBody).decode
decode_nacks: Final = msgspec.json.Decoder(NacksBody).decode
_read_acks: Final = read_deliveries(msgspec.json.Decoder(list[AckBody]).decode, MOST_SETTLED)
_read_nacks: Final = read_deliveries(msgspec.json.Decoder(list[NackBody]).decode, MOST_SETTLED)


@post(f"{SUBSCRIPTION}/pull", tags=["subscriptions"], status_code=200, opt=documented(body=PullBody, answer=Pulled))
async def pull_events(request: AnyRequest) -> Answer:
    """Events of a durable subscription to process, for the first of which `wait` seconds are waited.

    Whoever has the receipt settles them. What is not settled before the ack timeout is delivered again, and so is
    what a caller that has hung up was to get.
    """
    access = access_of(request)
    body = await json_body(request, access, op.Pull(*named(request)), decode_pull)
    gone = asyncio.create_task(_disconnected(request))
    try:
        deliveries = await _pulled(request, access, body, gone)
        if gone.done():
            nacks = [op.Nack(one.event.position, one.receipt, "retry", 0.0, CALLER_LEFT) for one in deliveries]
            return await _settled(request, access, nacks=tuple(nacks))
    finally:
        gone.cancel()
    return json_answer({"deliveries": [_shown(delivery) for delivery in deliveries]})


async def _pulled(request: AnyRequest, access: Access, body: PullBody, gone: asyncio.Task[None]) -> list[Delivery]:
    """The events within the time; waited for in steps, as nothing may be given to a caller that has gone."""
    api, stopping, left = access.api, service_of(request).stopping, check_wait(body.wait)
    while True:
        step = min(left, STEP_SECONDS)
        deliveries = await api.pull_events(*named(request), body.count, wait=step)
        left -= step
        if deliveries or left <= 0 or gone.done() or stopping.is_set():
            return deliveries


async def _disconnected(request: AnyRequest) -> None:
    """Return when the caller is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


@post(f"{SUBSCRIPTION}/ack", tags=["subscriptions"], status_code=200, opt=documented(body=AcksBody, answer=Settled))
async def ack_events(request: AnyRequest) -> Answer:
    """Acknowledge events that were processed; acknowledging twice is acknowledging once."""
    access = access_of(request)
    async with large_body(request, access, op.Settle(*named(request)), _acks, _read_acks) as deliveries:
        return await _settled(request, access, acks=tuple([op.Ack(*_delivery(one)) for one in deliveries]))


@post(f"{SUBSCRIPTION}/nack", tags=["subscriptions"], status_code=200, opt=documented(body=NacksBody, answer=Settled))
async def nack_events(request: AnyRequest) -> Answer:
    """Say of events that they were not processed, and what is to become of each."""
    access = access_of(request)
    async with large_body(request, access, op.Settle(*named(request)), _nacks, _read_nacks) as deliveries:
        return await _settled(request, access, nacks=tuple(map(_nack, deliveries)))


async def _settled(
    request: AnyRequest, access: Access, *, acks: tuple[op.Ack, ...] = (), nacks: tuple[op.Nack, ...] = ()
) -> Answer:
    store, name = named(request)
    operation = op.Settle(check_store_id(store), check_name(name, "name"), acks, nacks)
    unsettled = await access.caller.call(operation)
    failed = [NotSettled(one.position, one.why) for one in unsettled]
    return json_answer(Settled(len(acks) + len(nacks) - len(failed), failed))


def _acks(raw: bytes) -> list[AckBody]:
    return _bounded(decoded(raw, decode_acks).deliveries)


def _nacks(raw: bytes) -> list[NackBody]:
    return _bounded(decoded(raw, decode_nacks).deliveries)


def _bounded(deliveries: list[Body]) -> list[Body]:
    check_number("deliveries", len(deliveries), MOST_SETTLED)
    return deliveries


def _delivery(body: AckBody | NackBody) -> tuple[int, int]:
    return check_position(body.position, "position"), check_position(body.receipt, "receipt")


def _nack(body: NackBody) -> op.Nack:
    action, delay, reason = check_nack(body.action, body.delay, body.reason)
    return op.Nack(*_delivery(body), action, delay, reason)


def _shown(delivery: Delivery) -> dict[str, Any]:
    return {"event": event_view(delivery.event), "attempt": delivery.attempt, "receipt": delivery.receipt}


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (pull_events, ack_events, nack_events)
