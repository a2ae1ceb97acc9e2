"""`gater export` and `gater import`: events as NDJSON, with their ids, versions and times."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gater.cli import output
from gater.cli.arguments import OptionalStream, StoreName, one_stream
from gater.cli.command import Call
from gater.cli.progress import Advance, progress
from gater.cli.reading import chosen_events
from gater.cli.selecting import selecting
from gater.model.errors import GaterError, InvalidArgumentError
from gater.model.selectors import Selector

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi
    from gater.model.events import Event

Target = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this new file, whole or not at all.", show_default="stdout"
    ),
]
Source = Annotated[str, typer.Argument(metavar="FILE", help="An exported file; - for stdin.")]


@selecting
async def export(
    call: Call,
    store: StoreName,
    stream: OptionalStream = None,
    target: Target = None,
    only: Selector | None = None,
) -> None:
    """Write the events of a store, or of one stream, as a JSON object a line.

    A line keeps the event's stream, version, id, type, data, metadata and time; `gater import` reads it.
    """
    from gater.api.files import write_chunks

    stream = one_stream(stream)
    if target is None and call.json:
        raise typer.BadParameter("an export is JSON already; --json says what --output wrote", param_hint="--json")
    async with call.api() as api:
        total = await _number_of_events(api, store, stream) if only is None else None
        with progress(
            f"Exporting {stream or store}", total, shown=target is not None or not sys.stdout.isatty()
        ) as advance:
            chunks = _chunks(chosen_events(api, store, stream, only), advance)
            if target is None:
                await _write_stdout(chunks)
                return
            size = await write_chunks(chunks, target)
    if call.json:
        output.print_document({"store": store, "stream_id": stream, "file": str(target), "bytes": size})
    else:
        print(f"Exported {stream or store} to {target} ({output.size(size)}).")


async def _write_stdout(chunks: AsyncIterator[bytes]) -> None:
    empty = True
    async for chunk in chunks:
        sys.stdout.buffer.write(chunk)
        empty = False
    sys.stdout.buffer.flush()
    if empty:
        output.remark("No events.")


async def _number_of_events(api: GaterApi, store: str, stream: str | None) -> int:
    if stream is not None:
        return await api.get_version(store, stream) + 1
    return (await api.get_store_status(store)).position


async def _chunks(events: AsyncIterator[Event], advance: Advance) -> AsyncIterator[bytes]:
    from gater.cli.batches import MOST_BYTES, MOST_EVENTS
    from gater.wire.event_lines import export_line

    lines: list[bytes] = []
    size = 0
    async for event in events:
        lines.append(export_line(event))
        size += len(lines[-1])
        if len(lines) == MOST_EVENTS or size >= MOST_BYTES:
            yield b"\n".join(lines) + b"\n"
            advance(len(lines))
            lines.clear()
            size = 0
    if lines:
        yield b"\n".join(lines) + b"\n"
        advance(len(lines))


async def import_(call: Call, store: StoreName, source: Source = "-") -> None:
    """Append exported events with the ids, versions and times they had.

    Events that are there already are passed over, so an import that broke off can simply be repeated. The store must
    exist (`gater stores create`).
    """
    from gater.cli.batches import line_batches
    from gater.wire.event_lines import imported_event

    count = new = 0
    with _opened(source) as descriptor:
        async with call.api() as api:
            with progress(f"Importing into {store}", _bytes_of(descriptor), unit="bytes") as advance:
                await api.get_store_config(store)
                try:
                    async for batch in line_batches(descriptor):
                        events = [imported_event(number, line) for number, line in batch]
                        new += await api.import_events(store, events)
                        count += len(batch)
                        advance(sum(len(line) + 1 for _, line in batch))
                except GaterError:
                    output.remark(f"Stopped after {output.counted(count, 'event')}, {new:,} of them new.")
                    raise
    if call.json:
        output.print_document({"store": store, "events": count, "new": new})
    else:
        there = f" ({count - new:,} more were there already)" if new < count else ""
        print(f"Imported {output.counted(new, 'event')} into {store}{there}.")


@contextmanager
def _opened(source: str) -> Iterator[int]:
    """The descriptor to read from; raises InvalidArgumentError when the file cannot be opened."""
    if source == "-":
        yield sys.stdin.fileno()
        return
    try:
        descriptor = os.open(source, os.O_RDONLY)
    except OSError as error:
        raise InvalidArgumentError("file", f"{error.strerror}: {source}") from None
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise InvalidArgumentError("file", f"a file, not a folder: {source}")
        yield descriptor
    finally:
        os.close(descriptor)


def _bytes_of(descriptor: int) -> int | None:
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else None
