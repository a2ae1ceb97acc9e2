"""`gater append`: events from the command line, or line by line from stdin."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gater.cli import output
from gater.cli.arguments import ExpectedVersion, StoreName, StreamId, expected_version, json_object, json_value
from gater.cli.command import Call
from gater.cli.progress import progress
from gater.model.errors import GaterError

if TYPE_CHECKING:
    from gater.model.commands import WriteResult

EventType = Annotated[
    str, typer.Argument(metavar="TYPE", help="Type of the events; `-` reads events from stdin, a JSON object a line.")
]
Data = Annotated[list[str] | None, typer.Argument(metavar="DATA", help="JSON payload, one for each event.")]
Metadata = Annotated[str | None, typer.Option("--metadata", metavar="JSON", help="Metadata of each event: an object.")]
EventId = Annotated[str | None, typer.Option("--event-id", metavar="UUID", help="Id of the event, if it is one.")]


async def append(
    call: Call,
    store: StoreName,
    stream: StreamId,
    event_type: EventType,
    data: Data = None,
    expected: ExpectedVersion = None,
    metadata: Metadata = None,
    event_id: EventId = None,
) -> None:
    """Append events to a stream.

    With DATA: one event for each, all or nothing. With `-`: one event for each line of stdin, like
    {"event_type": "OrderPlaced", "data": {"total": 12}}, in batches of up to 500 that are each all or nothing. A line
    may also have metadata, event_id and content_type; with another type than JSON, data is base64 text.
    """
    if event_type == "-":
        if data or metadata or event_id:
            raise typer.BadParameter("with - the lines of stdin say it all", param_hint="TYPE")
        await _append_lines(call, store, stream, expected_version(expected))
        return
    events = _typed_events(event_type, data or [], metadata, event_id)
    async with call.api() as api:
        result = await api.append_events(store, stream, events, expected_version(expected))
    _tell(call, stream, len(events), result)


def _typed_events(
    event_type: str, data: list[str], metadata: str | None, event_id: str | None
) -> list[Mapping[str, Any]]:
    if not data:
        raise typer.BadParameter("give the JSON payload of one event or more, or - for TYPE", param_hint="DATA")
    if event_id is not None and len(data) > 1:
        raise typer.BadParameter("an id is for one event", param_hint="--event-id")
    common = {
        "event_type": event_type,
        "metadata": json_object(metadata, "--metadata"),
        "event_id": event_id,
        "content_type": "application/json",
    }
    return [{**common, "data": json_value(text, "DATA")} for text in data]


async def _append_lines(call: Call, store: str, stream: str, expected: int | str) -> None:
    """Append stdin batch by batch; after a batch, an exact expected version is the version that it reached."""
    count, result = 0, None
    with progress(f"Appending to {stream}", _input_bytes(), unit="bytes") as advance:
        async with call.api() as api:
            try:
                async for size, events in _batches():
                    result = await api.append_events(store, stream, events, expected)
                    if expected not in ("any", "stream_exists"):
                        expected = result.version
                    count += len(events)
                    advance(size)
                if result is None:
                    result = await api.append_events(store, stream, [], expected)
            except GaterError:
                output.remark(f"Stopped after {output.counted(count, 'event')}.")
                raise
    _tell(call, stream, count, result)


async def _batches() -> AsyncIterator[tuple[int, list[dict[str, Any]]]]:
    from gater.cli.batches import line_batches
    from gater.wire.event_lines import new_event

    async for batch in line_batches(sys.stdin.fileno()):
        yield sum(len(line) + 1 for _, line in batch), [new_event(number, line) for number, line in batch]


def _input_bytes() -> int | None:
    found = os.fstat(sys.stdin.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _tell(call: Call, stream: str, count: int, result: WriteResult) -> None:
    if call.json:
        answer = {"version": result.version, "position": result.position, "durability": result.durability}
        output.print_document({"stream_id": stream, "events": count, **answer})
    else:
        reached = f"version {result.version}, position {result.position} ({result.durability})"
        print(f"Appended {output.counted(count, 'event')} to {stream}: {reached}.")
