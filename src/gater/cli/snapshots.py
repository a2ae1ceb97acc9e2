"""`gater snapshots`: list, show, record and delete snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gater.cli import output
from gater.cli.arguments import StoreName, json_object, json_value
from gater.cli.command import Call, command
from gater.model.json_view import snapshot_view

if TYPE_CHECKING:
    from gater.model.snapshots import Snapshot

group = typer.Typer(no_args_is_help=True, help="List, show, record and delete snapshots.")

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="What the snapshot is of.")]
Stream = Annotated[str, typer.Argument(metavar="STREAM", help="The stream that it was made from.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", help="The stream's version that it was made at.")]
MaybeVersion = Annotated[int | None, typer.Argument(metavar="VERSION", help="Its version; without it, the newest.")]
OfSource = Annotated[str | None, typer.Option("--source", metavar="SOURCE", help="Only snapshots of this source.")]
OfStream = Annotated[str | None, typer.Option("--stream", metavar="STREAM", help="Only snapshots of this stream.")]
State = Annotated[str, typer.Argument(metavar="DATA", help="The state, in JSON.")]
SourceType = Annotated[str, typer.Option("--source-type", metavar="TEXT", help="What kind of thing the source is.")]
Metadata = Annotated[str | None, typer.Option("--metadata", metavar="JSON", help="Metadata: a JSON object.")]


@command(group, "list")
async def list_snapshots(call: Call, store: StoreName, source: OfSource = None, stream: OfStream = None) -> None:
    """List the snapshots of a store, by source, stream and version."""
    async with call.api() as api:
        found = await api.list_snapshots(store, source, stream)
    if call.json:
        output.print_document([snapshot_view(snapshot) for snapshot in found])
        return
    rows = [
        (
            each.source_uuid,
            each.stream_uuid,
            each.version,
            each.source_type,
            output.moment(each.created_at),
            _state(each),
        )
        for each in found
    ]
    columns = ("SOURCE", "STREAM", "VERSION", "SOURCE TYPE", "CREATED (UTC)", "DATA")
    output.print_table(columns, rows, empty="No snapshots.")


@command(group, "show")
async def show(call: Call, store: StoreName, source: Source, stream: Stream, version: MaybeVersion = None) -> None:
    """Show one snapshot."""
    async with call.api() as api:
        snapshot = await api.read_snapshot(store, source, stream, version)
    if call.json:
        output.print_document(snapshot_view(snapshot))
        return
    metadata = "" if snapshot.raw_metadata is None else output.payload_text(snapshot.raw_metadata, "application/json")
    facts: dict[str, Any] = {**snapshot_view(snapshot), "data": _state(snapshot), "metadata": metadata}
    output.print_facts(facts.items())


@command(group, "record")
async def record(
    call: Call,
    store: StoreName,
    source: Source,
    stream: Stream,
    version: Version,
    data: State,
    source_type: SourceType = "",
    metadata: Metadata = None,
) -> None:
    """Keep a snapshot, in place of an earlier one of the same source, stream and version."""
    snapshot_record = {
        "data": json_value(data, "DATA"),
        "content_type": "application/json",
        "source_type": source_type,
        "metadata": json_object(metadata, "--metadata"),
    }
    async with call.api() as api:
        result = await api.record_snapshot(store, source, stream, version, snapshot_record)
    if call.json:
        key = {"source_uuid": source, "stream_uuid": stream, "version": version}
        output.print_document({**key, "durability": result.durability})
    else:
        print(f"Recorded the snapshot of {source} at version {version} of {stream} ({result.durability}).")


@command(group, "delete")
async def delete(call: Call, store: StoreName, source: Source, stream: Stream, version: Version) -> None:
    """Forget a snapshot; nothing happens when there is none."""
    async with call.api() as api:
        await api.delete_snapshot(store, source, stream, version)
    if call.json:
        output.print_document({"source_uuid": source, "stream_uuid": stream, "version": version})
    else:
        print(f"No snapshot of {source} at version {version} of {stream} is kept.")


def _state(snapshot: Snapshot) -> str:
    return output.payload_text(snapshot.raw_data, snapshot.content_type)
