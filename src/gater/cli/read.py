"""`gater read`: the events of a stream or of a whole store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gater.cli import output
from gater.cli.arguments import OptionalStream, StoreName, one_stream
from gater.cli.command import Call
from gater.cli.reading import chosen_events
from gater.cli.selecting import selecting
from gater.model.selectors import Selector

if TYPE_CHECKING:
    from gater.model.events import Event

PAGE: Final = 200
"""Events that are printed at once."""

From = Annotated[
    int | None,
    typer.Option(
        "--from",
        metavar="N",
        min=0,
        help="Begin at this version of the stream, or this position of the store.",
        show_default="the first; the last when --backward",
    ),
]
SHOWN: Final = 100
"""Events that are shown when no number is given."""

Count = Annotated[
    int | None,
    typer.Option("--count", "-n", metavar="N", min=1, help="At most so many events.", show_default=f"{SHOWN}"),
]
Backward = Annotated[bool, typer.Option("--backward", "-b", help="Newest first.")]
All = Annotated[bool, typer.Option("--all", "-a", help="To the end, however many there are.")]


@selecting
async def read(
    call: Call,
    store: StoreName,
    stream: OptionalStream = None,
    begin: From = None,
    count: Count = None,
    backward: Backward = False,
    everything: All = False,
    only: Selector | None = None,
) -> None:
    """Show the events of a stream, or of a whole store in commit order."""
    from gater.cli.event_table import EventTable
    from gater.model.json_view import event_view

    stream = one_stream(stream)
    if everything and count is not None:
        raise typer.BadParameter("all events, or so many: not both", param_hint="--all")
    table = EventTable(one_stream=stream is not None)
    async with (
        call.api() as api,
        aclosing(chosen_events(api, store, stream, only, begin, count, backward=backward)) as events,
    ):
        async for page in pages(events, None if everything or count is not None else SHOWN):
            if call.json:
                output.print_lines(map(event_view, page))
            else:
                table.print(page)
        if not call.json and table.count == 0:
            output.remark("No events.")
        elif not everything and count is None and await anext(events, None) is not None:
            output.remark(f"These are the first {SHOWN}; more follow (--all, --count N, --from N).")


async def pages(events: AsyncIterator[Event], most: int | None) -> AsyncIterator[list[Event]]:
    """Up to `most` of the events (None: all), so many at once as are printed at once."""
    page: list[Event] = []
    left = most
    while left != 0 and (event := await anext(events, None)) is not None:
        page.append(event)
        left = None if left is None else left - 1
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
