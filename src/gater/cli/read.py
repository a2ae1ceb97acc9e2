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
Count = Annotated[int, typer.Option("--count", "-n", metavar="N", min=1, help="At most so many events.")]
Backward = Annotated[bool, typer.Option("--backward", "-b", help="Newest first.")]
All = Annotated[bool, typer.Option("--all", "-a", help="To the end, however many there are.")]


@selecting
async def read(
    call: Call,
    store: StoreName,
    stream: OptionalStream = None,
    begin: From = None,
    count: Count = 100,
    backward: Backward = False,
    everything: All = False,
    only: Selector | None = None,
) -> None:
    """Show the events of a stream, or of a whole store in commit order."""
    from gater.cli.event_table import EventTable

    stream = one_stream(stream)
    wanted = None if everything else count
    table = EventTable(one_stream=stream is not None)
    async with (
        call.api() as api,
        aclosing(chosen_events(api, store, stream, only, begin, wanted, backward=backward)) as events,
    ):
        async for page in pages(events):
            if call.json:
                output.print_lines(event.to_dict() for event in page)
            else:
                table.print(page)
    if not call.json and table.count == 0:
        output.remark("No events.")


async def pages(events: AsyncIterator[Event]) -> AsyncIterator[list[Event]]:
    """The events, so many at once as are printed at once."""
    page: list[Event] = []
    async for event in events:
        page.append(event)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
