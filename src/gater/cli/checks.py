"""`gater status`, `gater verify` and `gater backup`: how the stores are, and a copy for when they are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gater.cli import output
from gater.cli.arguments import StoreName, store_names
from gater.cli.command import Call
from gater.cli.failures import FAILED
from gater.cli.progress import waiting

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi
    from gater.model.stores import VerifyReport

STATUS_COLUMNS: Final = (
    "STORE",
    "STATE",
    "DURABILITY",
    "POSITION",
    "STREAMS",
    "SNAPSHOTS",
    "SIZE",
    "SUBSCRIBERS",
    "WAITING",
)

MaybeStore = Annotated[str | None, typer.Argument(metavar="STORE", help="One store; without it, all.")]
CopyTo = Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")]


async def status(call: Call, store: MaybeStore = None) -> None:
    """Show how the stores are doing."""
    async with call.api() as api:
        found = [await api.get_store_status(name) for name in await store_names(api, store)]
    if call.json:
        output.print_document(found)
        return
    rows = [
        (
            each.store,
            each.state,
            each.durability,
            each.position,
            each.streams,
            each.snapshots,
            output.size(each.file_bytes),
            each.subscribers,
            each.waiting_commands,
        )
        for each in found
    ]
    output.print_table(STATUS_COLUMNS, rows, empty="No stores. `gater stores create NAME` makes one.")
    for each in found:
        if each.reason:
            output.remark(f"{each.store}: {each.reason}")


async def verify(call: Call, store: MaybeStore = None) -> None:
    """Check whole stores: every page, every index, that positions and versions are gapless.

    In a folder (--data-dir) the files are only read: they stay as they are, also those of an earlier version.
    """
    reports = await _reports(call, store)
    if call.json:
        output.print_document([report.to_dict() for report in reports])
    else:
        rows = [
            (report.store, "sound" if report.ok else "DAMAGED", report.events, report.streams, report.position)
            for report in reports
        ]
        output.print_table(("STORE", "VERDICT", "EVENTS", "STREAMS", "POSITION"), rows, empty="No stores.")
        for report in reports:
            for problem in report.problems:
                output.remark(f"{report.store}: {problem}")
    if not all(report.ok for report in reports):
        raise typer.Exit(FAILED)


async def _reports(call: Call, store: str | None) -> list[VerifyReport]:
    if call.target.data_dir is not None:
        return [report async for report in _at_rest(call.target.folder(), store)]
    async with call.api() as api:
        return [await _verified(api, name) for name in await store_names(api, store)]


async def _verified(api: GaterApi, name: str) -> VerifyReport:
    with waiting(f"Verifying {name}"):
        return await api.verify(name)


async def _at_rest(folder: Path, store: str | None) -> AsyncIterator[VerifyReport]:
    from gater.model.identifiers import check_store_id
    from gater.store.checking import check_at_rest
    from gater.store.store_files import stores_in

    for name in [check_store_id(store)] if store else stores_in(folder):
        with waiting(f"Verifying {name}"):
            yield await asyncio.to_thread(check_at_rest, folder, name)


async def backup(call: Call, store: StoreName, file: CopyTo) -> None:
    """Write a consistent copy of a store to a new file, while the store works."""
    async with call.api() as api:
        with waiting(f"Copying {store}"):
            size = await api.backup(store, file)
    if call.json:
        output.print_document({"store": store, "file": str(file), "bytes": size})
    else:
        print(f"Copied {store} to {file} ({output.size(size)}).")
