"""`gater subscribe`: follow a stream, a whole store, or what a selector chooses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gater.api.notices import Notice
from gater.cli import output
from gater.cli.arguments import OptionalStream, StoreName, start_from
from gater.cli.command import Call
from gater.cli.selecting import of_stream, selecting, together
from gater.model.selectors import Selector, by_stream

if TYPE_CHECKING:
    pass

From = Annotated[
    str,
    typer.Option(
        "--from", metavar="N|live", help="Begin at this version (or position), then go on; live: only what is new."
    ),
]
KnownHistory = Annotated[
    str | None,
    typer.Option(
        "--history", metavar="ID", help="The store's history when --from was reached; refuse to go on in another."
    ),
]
Count = Annotated[int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after so many events.")]

_REMARKS: Final = {
    Notice.CAUGHT_UP: "Caught up: what comes now is new.",
    Notice.FELL_BEHIND: "Fell behind: what comes now was stored a while ago.",
}


@selecting
async def subscribe(
    call: Call,
    store: StoreName,
    stream: OptionalStream = None,
    begin: From = "0",
    count: Count = None,
    history: KnownHistory = None,
    only: Selector | None = None,
) -> None:
    """Print events as they come, until Ctrl-C."""
    from gater.cli.event_table import event_line
    from gater.model.json_view import event_view

    first, left = start_from(begin), count
    selector = together(of_stream(stream), only) or by_stream()
    coloured, told = output.in_colour(), sys.stderr.isatty() and not call.json
    async with call.api() as api, api.subscribe(store, selector, None, first, notices=told, history=history) as items:
        async for item in items:
            if isinstance(item, Notice):
                output.remark(_REMARKS[item])
                continue
            if call.json:
                output.print_lines([event_view(item)])
            else:
                output.print_text(event_line(item, coloured=coloured))
            if left is not None:
                left -= 1
                if left == 0:
                    return
