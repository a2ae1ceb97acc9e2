"""`gater subscribe`: follow a stream or a whole store."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gater.cli import output
from gater.cli.arguments import ALL_STREAMS, OptionalStream, StoreName, one_stream
from gater.cli.command import Call

From = Annotated[
    str,
    typer.Option(
        "--from", metavar="N|live", help="Begin at this version (or position), then go on; live: only what is new."
    ),
]
Count = Annotated[int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after so many events.")]


async def subscribe(
    call: Call, store: StoreName, stream: OptionalStream = None, begin: From = "0", count: Count = None
) -> None:
    """Print events as they come, until Ctrl-C."""
    from gater.cli.event_table import event_line

    start_from, left = _start_from(begin), count
    selector = one_stream(stream) or ALL_STREAMS
    coloured = output.in_colour()
    async with call.api() as api:
        async for event in api.subscribe(store, "by_stream", selector, start_from):
            if call.json:
                output.print_lines([event.to_dict()])
            else:
                sys.stdout.write(event_line(event, coloured=coloured))
                sys.stdout.flush()
            if left is not None:
                left -= 1
                if left == 0:
                    return


def _start_from(text: str) -> int:
    from gater.api.arguments import LIVE

    if text == "live":
        return LIVE
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter(f"a whole number, 0 or more, or live, not {text!r}", param_hint="--from")
    return int(text)
