"""`gater subscriptions parked`, `replay` and `discard`: the events that a durable subscription has set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gater.cli import output
from gater.cli.arguments import StoreName, SubscriptionName, Yes, confirm
from gater.cli.command import Call

if TYPE_CHECKING:
    from gater.model.subscriptions import ParkedEvent

Positions = Annotated[
    list[int] | None, typer.Argument(metavar="POSITION", min=0, help="Positions of parked events.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", "-a", help="All that are parked.")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many.", show_default="all")]

_COLUMNS = ("POSITION", "STREAM", "TYPE", "ATTEMPTS", "PARKED (UTC)", "REASON")


async def parked(call: Call, store: StoreName, name: SubscriptionName, limit: Limit = None) -> None:
    """List the events that a subscription has set aside."""
    async with call.api() as api:
        found = await api.list_parked(store, name, limit=limit)
    from gater.model.json_view import parked_view

    if call.json:
        output.print_document([parked_view(each) for each in found])
    else:
        output.print_table(_COLUMNS, [_row(each) for each in found], empty="Nothing is parked.")


async def replay(
    call: Call,
    store: StoreName,
    name: SubscriptionName,
    positions: Positions = None,
    everything: All = False,
) -> None:
    """Deliver parked events again, before later ones of their streams."""
    chosen = _chosen(positions, everything)
    async with call.api() as api:
        count = await api.replay_parked(store, name, chosen)
    if call.json:
        output.print_document({"store": store, "name": name, "replayed": count})
    else:
        print(f"{name} delivers {output.counted(count, 'parked event')} again.")


async def discard(
    call: Call,
    store: StoreName,
    name: SubscriptionName,
    positions: Positions = None,
    everything: All = False,
    yes: Yes = False,
) -> None:
    """Forget that events are parked, for good; the events themselves stay in the store."""
    chosen = _chosen(positions, everything)
    async with call.api() as api:
        if chosen is None:
            count = (await api.get_subscription(store, name)).parked
            confirm(f"Forget {output.counted(count, 'parked event')} of {name}?", yes)
        count = await api.discard_parked(store, name, chosen)
    if call.json:
        output.print_document({"store": store, "name": name, "discarded": count})
    else:
        print(f"Discarded {output.counted(count, 'parked event')} of {name}.")


def _chosen(positions: list[int] | None, everything: bool) -> list[int] | None:
    """The positions that were typed; None for all that are parked, which must be said."""
    if bool(positions) == everything:
        raise typer.BadParameter("give positions, or --all", param_hint="POSITION")
    return positions or None


def _row(parked: ParkedEvent) -> tuple[object, ...]:
    event = parked.event
    reason = f"{parked.reason} (being delivered again)" if parked.replaying else parked.reason
    return (
        str(parked.position),
        "(deleted)" if event is None else event.stream_id,
        "" if event is None else event.event_type,
        parked.attempts,
        output.epoch_moment(parked.parked_epoch),
        reason,
    )
