"""Routes of parked events: what a durable subscription has set aside, and what is to become of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from gater.api import subscription_operations as op
from gater.api.arguments import check_count
from gater.api.gater_api import GaterApi
from gater.api.operation import Operation
from gater.model.json_view import parked_view
from gater.model.limits import MOST_POSITIONS, check_number
from gater.model.subscriptions import ParkedEvent
from gater.server.http.answers import Answer, ShownEvent, json_answer
from gater.server.http.bodies import WholeNumber
from gater.server.http.documented import about, documented
from gater.server.http.durable import named
from gater.server.http.paths import PARKED
from gater.server.http.reads import MOST_BYTES
from gater.server.http.receiving import json_body
from gater.server.http.requests import AnyRequest, access_of, query
from gater.server.service import Access

DEFAULT_LIMIT: Final = 100
"""Parked events that an answer holds when no limit is given."""
MOST_PARKED: Final = 1_000
"""Parked events that an answer holds at the most."""
STEP: Final = 50
"""Parked events that are read at once, as each may be large."""


class ParkedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which parked events to list."""

    after: Annotated[int, about("Those behind this position.", minimum=0)] = 0
    limit: Annotated[int, about(f"At most so many (and {MOST_PARKED}).", minimum=1)] = DEFAULT_LIMIT


class PositionsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Positions of parked events; absent: all of them."""

    positions: Annotated[list[WholeNumber], msgspec.Meta(extra_json_schema={"maxItems": MOST_POSITIONS})] | None = None


class ShownParked(msgspec.Struct, frozen=True):
    """An event that was set aside, and why; `event` is null when its stream was deleted."""

    position: int
    reason: str
    attempts: int
    parked_epoch: int
    replaying: bool
    event: ShownEvent | None


class ParkedPage(msgspec.Struct, frozen=True):
    """Parked events in order; when there are more, `next` is the `after` to go on with."""

    parked: list[ShownParked]
    next: int | None


class Replayed(msgspec.Struct, frozen=True):
    """The number of parked events that are delivered again."""

    replayed: int


class Discarded(msgspec.Struct, frozen=True):
    """The number of parked events that were discarded."""

    discarded: int


decode_positions: Final = msgspec.json.Decoder(PositionsBody).decode


@get(PARKED, tags=["subscriptions"], opt=documented(query=ParkedQuery, answer=ParkedPage))
async def list_parked(request: AnyRequest) -> Answer:
    """The events that a durable subscription has set aside."""
    api, wanted = access_of(request).api, query(request, ParkedQuery)
    limit = min(check_count(wanted.limit), MOST_PARKED)
    found, following = await _page(api, named(request), wanted.after, limit)
    return json_answer({"parked": [parked_view(parked) for parked in found], "next": following})


async def _page(
    api: GaterApi, subscription: tuple[str, str], after: int, limit: int
) -> tuple[list[ParkedEvent], int | None]:
    """The parked events as far as one answer goes, and the position to go on with; None when that was all."""
    found: list[ParkedEvent] = []
    size = 0
    while len(found) < limit and size < MOST_BYTES:
        wanted = min(limit - len(found), STEP)
        some = await api.list_parked(*subscription, after, wanted)
        found += some
        if len(some) < wanted:
            return found, None
        size += sum([parked.event.payload_bytes for parked in some if parked.event is not None])
        after = some[-1].position
    return found, after if await api.list_parked(*subscription, after, 1) else None


@post(f"{PARKED}/replay", tags=["subscriptions"], status_code=200, opt=documented(body=PositionsBody, answer=Replayed))
async def replay_parked(request: AnyRequest) -> Answer:
    """Deliver parked events again; they stay parked until they are settled."""
    api, positions = await _positions(request, access_of(request), op.ReplayParkedOperation(*named(request)))
    return json_answer(Replayed(await api.replay_parked(*named(request), positions)))


@post(
    f"{PARKED}/discard", tags=["subscriptions"], status_code=200, opt=documented(body=PositionsBody, answer=Discarded)
)
async def discard_parked(request: AnyRequest) -> Answer:
    """Forget parked events, for good."""
    api, positions = await _positions(request, access_of(request), op.DiscardParkedOperation(*named(request)))
    return json_answer(Discarded(await api.discard_parked(*named(request), positions)))


async def _positions(request: AnyRequest, access: Access, asked: Operation[Any]) -> tuple[GaterApi, list[int] | None]:
    positions = (await json_body(request, access, asked, decode_positions)).positions
    check_number("positions", len(positions or ()), MOST_POSITIONS)
    return access.api, positions


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (list_parked, replay_parked, discard_parked)
