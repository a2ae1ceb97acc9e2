"""`gater streams`: list, delete and truncate streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gater.cli import output
from gater.cli.arguments import ExpectedVersion, Prefix, StoreName, StreamId, Yes, confirm, expected_version
from gater.cli.command import Call, command

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi

PAGE: Final = 500
"""Streams whose versions are asked for at once."""

group = typer.Typer(no_args_is_help=True, help="List, delete and truncate streams.")

Limit = Annotated[int | None, typer.Option("--limit", metavar="N", help="At most so many.", show_default="all")]
Tombstone = Annotated[bool, typer.Option("--tombstone", help="Close the stream for good: nothing can be appended.")]
BeforeVersion = Annotated[int, typer.Argument(metavar="VERSION", help="The oldest version that stays.")]


@command(group, "list")
async def list_streams(call: Call, store: StoreName, prefix: Prefix = None, limit: Limit = None) -> None:
    """List the streams of a store, each with the version of its last event."""
    async with call.api() as api:
        found = [stream async for stream in _streams(api, store, prefix, limit)]
    if call.json:
        output.print_document(found)
    else:
        rows = [(stream["stream_id"], stream["version"]) for stream in found]
        output.print_table(("STREAM", "VERSION"), rows, empty="No streams.")


async def _streams(api: GaterApi, store: str, prefix: str | None, limit: int | None) -> AsyncIterator[dict[str, Any]]:
    ids = await api.get_streams(store, prefix, limit=limit)
    for begin in range(0, len(ids), PAGE):
        page = ids[begin : begin + PAGE]
        versions = await asyncio.gather(*[api.get_version(store, stream_id) for stream_id in page])
        for stream_id, last in zip(page, versions, strict=True):
            yield {"stream_id": stream_id, "version": last}


@command(group, "version")
async def version(call: Call, store: StoreName, stream: StreamId) -> None:
    """Show the version of a stream's last event; -1 when it was never written to."""
    async with call.api() as api:
        last = await api.get_version(store, stream)
    if call.json:
        output.print_document({"stream_id": stream, "version": last})
    else:
        print(last)


@command(group, "delete")
async def delete(
    call: Call,
    store: StoreName,
    stream: StreamId,
    tombstone: Tombstone = False,
    expected: ExpectedVersion = None,
    yes: Yes = False,
) -> None:
    """Hide the events of a stream; its numbering goes on with the next append."""
    if tombstone:
        confirm(f"Close the stream {stream} of {store} for good?", yes)
    async with call.api() as api:
        result = await api.delete_stream(store, stream, expected_version(expected), tombstone=tombstone)
    if call.json:
        output.print_document({"stream_id": stream, "version": result.version, "tombstone": tombstone})
    else:
        print(f"{'Closed' if tombstone else 'Deleted'} the stream {stream} at version {result.version}.")


@command(group, "truncate")
async def truncate(call: Call, store: StoreName, stream: StreamId, before_version: BeforeVersion) -> None:
    """Hide the events of a stream that are older than VERSION."""
    async with call.api() as api:
        result = await api.truncate_stream(store, stream, before_version)
    if call.json:
        output.print_document({"stream_id": stream, "version": result.version, "before_version": before_version})
    else:
        print(f"Truncated the stream {stream} before version {before_version}.")
