"""`gater subscriptions`: durable subscriptions, how they are doing, and what becomes of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from gater.cli import output
from gater.cli.arguments import StoreName, SubscriptionName, Yes, confirm, start_from
from gater.cli.command import Call, command
from gater.cli.group_options import with_settings
from gater.cli.parked import discard, parked, replay
from gater.cli.selecting import of_stream, selecting, short_text, together
from gater.model.errors import SubscriptionNotFoundError
from gater.model.selectors import Selector

if TYPE_CHECKING:
    from gater.model.subscriptions import SubscriptionConfig, SubscriptionInfo

LONGEST_SELECTOR: Final = 60
"""Characters of a selector that a list shows."""

group = typer.Typer(no_args_is_help=True, help="Make, inspect, move and remove durable subscriptions.")

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="N|live",
        help="Begin at this position (or version, of one stream); live: only what is new. Moves one that is there.",
        show_default="0",
    ),
]
OneStream = Annotated[str | None, typer.Option("--stream", metavar="STREAM", help="Follow this stream only.")]
To = Annotated[int | None, typer.Option("--to", metavar="POSITION", min=0, help="Begin again at this position.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--time", metavar="ISO", help="Begin again at the first event since this time, UTC unless it says otherwise."
    ),
]

_COLUMNS: Final = ("NAME", "SELECTOR", "STATE", "LAG", "AGE", "IN FLIGHT", "PARKED", "CONSUMERS")


@command(group, "list")
async def list_subscriptions(call: Call, store: StoreName) -> None:
    """List the durable subscriptions of a store, and how each is doing."""
    async with call.api() as api:
        found = await api.get_subscriptions(store)
    if call.json:
        output.print_document([_plain(each) for each in found])
        return
    empty = "No durable subscriptions. `gater subscriptions create STORE NAME` makes one."
    output.print_table(_COLUMNS, [_row(each) for each in found], empty=empty)
    for each in found:
        if each.reason:
            output.remark(f"{each.name}: {each.reason}")


@command(group, "show")
async def show(call: Call, store: StoreName, name: SubscriptionName) -> None:
    """Show a durable subscription: what it selects, its settings, and how it is doing."""
    async with call.api() as api:
        found = await api.get_subscription(store, name)
    if call.json:
        output.print_document(_plain(found))
    else:
        output.print_facts(_facts(found).items())


@command(group, "create")
@selecting
@with_settings
async def create(
    call: Call,
    store: StoreName,
    name: SubscriptionName,
    stream: OneStream = None,
    begin: From = None,
    only: Selector | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    """Make a durable subscription, or change the one of that name.

    A new one has every event, or those that the options choose. Of one that exists, only the settings that are named
    change; another --from than before moves it, and what it selects cannot be changed.
    """
    given: Any = settings or {}
    first, wanted = None if begin is None else start_from(begin), together(of_stream(stream), only)
    async with call.api() as api:
        try:
            is_new = not await api.get_subscription(store, name)
        except SubscriptionNotFoundError:
            is_new = True
        saved = await api.save_subscription(store, wanted, None, name, first, **given)
    if call.json:
        output.print_document(_plain(saved))
    else:
        print(f"{'Created' if is_new else 'Changed'} the subscription {name}: {short_text(saved.selector)}.")


@command(group, "remove")
async def remove(call: Call, store: StoreName, name: SubscriptionName, yes: Yes = False) -> None:
    """Forget a durable subscription with its checkpoint and what it has parked; its consumers end with an error."""
    async with call.api() as api:
        found = await api.get_subscription(store, name)
        confirm(f"Remove the subscription {name} of {store}, with its checkpoint and what it has parked?", yes)
        await api.remove_subscription(store, found.selector, None, name)
    if call.json:
        output.print_document({"store": store, "name": name, "removed": True})
    else:
        print(f"Removed the subscription {name}.")


@command(group, "rewind")
async def rewind(
    call: Call, store: StoreName, name: SubscriptionName, position: To = None, since: Since = None
) -> None:
    """Let a durable subscription begin again at a position or a time, or skip ahead."""
    if (position is None) == (since is None):
        raise typer.BadParameter("give one of the two", param_hint="--to and --time")
    time = None if since is None else _time(since)
    async with call.api() as api:
        begins = await api.rewind_subscription(store, name, position, time=time)
    if call.json:
        output.print_document({"store": store, "name": name, "position": begins})
    else:
        print(f"{name} goes on at position {begins}.")


command(group, "parked")(parked)
command(group, "replay")(replay)
command(group, "discard")(discard)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        reason = f"a time as 2026-01-31T12:00:00Z, not {text!r}"
        raise typer.BadParameter(reason, param_hint="--time") from None


def _plain(subscription: SubscriptionConfig | SubscriptionInfo) -> dict[str, Any]:
    """A subscription as JSON shows it."""
    return {**msgspec.structs.asdict(subscription), "selector": subscription.selector.to_plain()}


def _row(info: SubscriptionInfo) -> tuple[object, ...]:
    selector = short_text(info.selector)
    return (
        info.name,
        selector if len(selector) <= LONGEST_SELECTOR else f"{selector[: LONGEST_SELECTOR - 1]}…",
        info.state,
        info.lag,
        _age(info),
        info.in_flight,
        info.parked,
        info.consumers,
    )


def _age(info: SubscriptionInfo) -> str:
    """The age of the oldest waiting event."""
    return output.duration(info.lag_seconds) if info.lag_seconds else ""


def _facts(info: SubscriptionInfo) -> dict[str, object]:
    """The facts of a subscription, as text for people."""
    facts = {**msgspec.structs.asdict(info), **msgspec.structs.asdict(info.settings)}
    del facts["settings"], facts["created_epoch"], facts["updated_epoch"]
    if not info.reason:
        del facts["reason"]
    shown = {
        "selector": short_text(info.selector),
        "start_from": "live" if info.start_from < 0 else info.start_from,
        "lag_seconds": round(info.lag_seconds, 1),
        "delivery_seconds": round(info.delivery_seconds, 6),
        "created": f"{output.epoch_moment(info.created_epoch)} UTC",
        "updated": f"{output.epoch_moment(info.updated_epoch)} UTC",
    }
    return {**facts, **shown}
