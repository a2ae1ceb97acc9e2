"""`gater stores`: list, create, remove and inspect stores."""

from __future__ import annotations

from typing import Annotated

import typer

from gater.cli import output
from gater.cli.arguments import StoreName, Yes, confirm
from gater.cli.command import Call, command

group = typer.Typer(no_args_is_help=True, help="List, create, remove and inspect stores.")

Description = Annotated[str, typer.Option("--description", metavar="TEXT", help="What the store is for.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="TEXT", help="A tag; may be repeated.")]
InMemory = Annotated[bool, typer.Option("--in-memory", help="Keep it in memory only: gone when the server stops.")]


@command(group, "list")
async def list_stores(call: Call) -> None:
    """List the stores."""
    async with call.api() as api:
        stores = await api.list_stores()
    if call.json:
        output.print_document(stores)
        return
    rows = [
        (config.store_id, config.db_type, config.status, info.node, config.created_at, config.store_description)
        for info in stores
        for config in [info.store]
    ]
    columns = ("STORE", "TYPE", "STATUS", "NODE", "CREATED", "DESCRIPTION")
    output.print_table(columns, rows, empty="No stores. `gater stores create NAME` makes one.")


@command(group, "create")
async def create(
    call: Call, store: StoreName, description: Description = "", tag: Tag = None, in_memory: InMemory = False
) -> None:
    """Make a store."""
    async with call.api(create=True) as api:
        config = await api.create_store(store, in_memory=in_memory, description=description, tags=tag or ())
    if call.json:
        output.print_document(config)
    else:
        print(f"Created the store {store}.")


@command(group, "remove")
async def remove(call: Call, store: StoreName, yes: Yes = False) -> None:
    """Remove a store and delete its files, for good."""
    async with call.api() as api:
        await api.get_store_config(store)
        confirm(f"Remove the store {store} with all its events?", yes)
        await api.remove_store(store)
    if call.json:
        output.print_document({"store": store, "removed": True})
    else:
        print(f"Removed the store {store}.")


@command(group, "status")
async def status(call: Call, store: StoreName) -> None:
    """Show how a store is doing."""
    async with call.api() as api:
        found = await api.get_store_status(store)
    if call.json:
        output.print_document(found)
    else:
        output.print_facts((name, getattr(found, name)) for name in found.__struct_fields__)


@command(group, "config")
async def config(call: Call, store: StoreName) -> None:
    """Show how a store was made."""
    async with call.api() as api:
        found = await api.get_store_config(store)
    if call.json:
        output.print_document(found)
    else:
        output.print_facts((name, getattr(found, name)) for name in found.__struct_fields__)


@command(group, "compact")
async def compact(call: Call, store: StoreName) -> None:
    """Give back the space of deleted and truncated events."""
    async with call.api() as api:
        removed = await api.compact_store(store)
    if call.json:
        output.print_document({"store": store, "removed_events": removed})
    else:
        print(f"Removed {output.counted(removed, 'hidden event')} from {store}.")
