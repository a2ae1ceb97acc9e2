"""Routes of durable subscriptions: saving, listing and removing them, how they are, and beginning again elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from gater.api import subscription_operations as op
from gater.model.errors import InvalidArgumentError, SubscriptionNotFoundError
from gater.model.identifiers import check_store_id
from gater.model.selectors import ALL_STREAMS, parse_selector, parse_whole
from gater.model.subscriptions import TRANSIENT, GroupSettings, SubscriptionConfig, SubscriptionInfo
from gater.server.http.answers import Answer, json_answer
from gater.server.http.bodies import WholeNumber
from gater.server.http.documented import NUMBER_SCHEMA, about, documented
from gater.server.http.paths import SUBSCRIPTION, SUBSCRIPTIONS
from gater.server.http.receiving import json_body
from gater.server.http.requests import AnyRequest, access_of, check_confirmed, path_text, query
from gater.server.http.selecting import SelectorMap

_SETTINGS_SCHEMA: Final = msgspec.json.schema(GroupSettings)["$defs"]["GroupSettings"]

Settings = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema=_SETTINGS_SCHEMA)]
"""Some of GroupSettings; each is judged by the API, with an error that names it."""


class SubscriptionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A durable subscription to keep; what is not said of one that is there stays as it is.

    Without a `selector` a new one has the whole store, without a `start_from` it begins at the beginning. `start_from`
    is a version when the selector is confined to one stream, otherwise a position; -1: what is committed after it was
    made. Durations are in seconds.
    """

    selector: SelectorMap | None = None
    start_from: Annotated[int, msgspec.Meta(extra_json_schema={**NUMBER_SCHEMA, "minimum": -1})] | None = None
    settings: Settings = {}


class RewindBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The position at which a subscription is to begin again, or a time: the first event since then."""

    position: WholeNumber | None = None
    time: datetime | None = None


class ShownConfig(msgspec.Struct, frozen=True):
    """A durable subscription as it was saved; epochs are microseconds since 1970."""

    name: str
    selector: SelectorMap
    start_from: int
    settings: GroupSettings
    created_epoch: int
    updated_epoch: int


class ShownSubscription(ShownConfig, frozen=True):
    """A durable subscription and how it is doing.

    `state` is `live`, `catching_up`, `idle` (nobody consumes; it is caught up), `stranded` (events wait, nobody
    consumes), `full` (too much waits to be retried) or `failed`, for a `reason`. Every event up to `checkpoint` is
    settled; `lag` counts those that are not, and those not read yet that may match.
    """

    state: str
    checkpoint: int
    lag: int
    lag_seconds: float
    consumers: int
    in_flight: int
    retrying: int
    parked: int
    delivered: int
    redelivered: int
    acked: int
    delivery_seconds: float
    reason: str


class SubscriptionList(msgspec.Struct, frozen=True):
    """The durable subscriptions of a store, ordered by name."""

    subscriptions: list[ShownSubscription]


class Rewound(msgspec.Struct, frozen=True):
    """The position that a subscription begins at again."""

    position: int


decode_subscription: Final = msgspec.json.Decoder(SubscriptionBody).decode
decode_rewind: Final = msgspec.json.Decoder(RewindBody).decode


EVERYTHING: Final = parse_selector("by_stream", ALL_STREAMS)
"""Stands for a selector that is not known yet."""


def named(request: AnyRequest) -> tuple[str, str]:
    """The store and the subscription that a path names."""
    return path_text(request, "store"), path_text(request, "name")


@get(SUBSCRIPTIONS, tags=["subscriptions"], opt=documented(answer=SubscriptionList))
async def get_subscriptions(request: AnyRequest) -> Answer:
    """The durable subscriptions of a store, and how each is doing."""
    found = await access_of(request).api.get_subscriptions(path_text(request, "store"))
    return json_answer({"subscriptions": [_shown(one) for one in found]})


@get(SUBSCRIPTION, tags=["subscriptions"], opt=documented(answer=ShownSubscription))
async def get_subscription(request: AnyRequest) -> Answer:
    """One durable subscription, and how it is doing."""
    return json_answer(_shown(await access_of(request).api.get_subscription(*named(request))))


@put(SUBSCRIPTION, tags=["subscriptions"], opt=documented(body=SubscriptionBody, answer=ShownConfig))
async def save_subscription(request: AnyRequest) -> Answer:
    """Make a durable subscription, or change what is said of the one of that name.

    Another `start_from` than before also moves its checkpoint there. The name with another selector is refused.
    """
    access, (store, name) = access_of(request), named(request)
    _check_durable(name)
    asked = op.SaveSubscriptionOperation(check_store_id(store), EVERYTHING, name)
    body = await json_body(request, access, asked, decode_subscription, reach_known=False)
    selector = None if body.selector is None else parse_whole(body.selector, "selector")
    settings: Any = body.settings
    saved = await access.api.save_subscription(store, selector, None, name, body.start_from, **settings)
    return json_answer(_shown(saved))


class RemoveQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which subscription is meant."""

    confirm: Annotated[str, about("The name of the subscription, once more.")]


@delete(SUBSCRIPTION, tags=["subscriptions"], opt=documented(query=RemoveQuery, status=204))
async def remove_subscription(request: AnyRequest) -> None:
    """Forget a durable subscription with its checkpoint and what is parked; nothing happens when there is none.

    It is named in `confirm` once more. It is looked up by its name first, so a token needs the scope `subscribe` as
    well as `admin`.
    """
    access, (store, name) = access_of(request), named(request)
    _check_durable(name)
    access.admit(op.RemoveSubscriptionOperation(store, EVERYTHING, name), reach_known=False)
    try:
        selector = (await access.api.get_subscription(store, name)).selector
    except SubscriptionNotFoundError:
        selector = None
    check_confirmed(name, query(request, RemoveQuery).confirm)
    if selector is not None:
        await access.api.remove_subscription(store, selector, None, name)


@post(
    f"{SUBSCRIPTION}/rewind", tags=["subscriptions"], status_code=200, opt=documented(body=RewindBody, answer=Rewound)
)
async def rewind_subscription(request: AnyRequest) -> Answer:
    """Let a durable subscription begin again elsewhere, or skip ahead; what is in flight is taken back."""
    access = access_of(request)
    body = await json_body(request, access, op.RewindSubscriptionOperation(*named(request)), decode_rewind)
    return json_answer(Rewound(await access.api.rewind_subscription(*named(request), body.position, time=body.time)))


def _check_durable(name: str) -> None:
    if name == TRANSIENT:
        reason = f"not {TRANSIENT}: what is not kept ends with the connection that made it, and a request has none"
        raise InvalidArgumentError("name", reason)


def _shown(subscription: SubscriptionConfig | SubscriptionInfo) -> dict[str, Any]:
    return {**msgspec.structs.asdict(subscription), "selector": subscription.selector.to_plain()}


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    get_subscriptions,
    get_subscription,
    save_subscription,
    remove_subscription,
    rewind_subscription,
)
