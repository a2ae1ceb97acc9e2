"""The program `gater`: every command, put together."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

import gater
from gater.cli import (
    append,
    bench,
    checks,
    consume,
    demo,
    pubsub,
    read,
    serve,
    snapshots,
    stores,
    streams,
    subscribe,
    subscriptions,
    transfer,
)
from gater.cli.command import DataDir, Token, Url, command, remember_place
from gater.cli.failures import FAILED, report_defect
from gater.cli.standard_streams import open_standard_streams

RUN: Final = "Run"
EVENTS: Final = "Events"
SUBSCRIPTIONS: Final = "Subscriptions"
PUBSUB: Final = "Pub/sub"
STORES: Final = "Stores"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gater {gater.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
]


@app.callback()
def root(
    context: typer.Context,
    url: Url = None,
    token: Token = None,
    data_dir: DataDir = None,
    version: Version = False,
) -> None:
    """Gater: an event store, in process or served.

    Begin with `gater demo`, or with `gater serve --store orders`.
    """
    remember_place(context, url, token, data_dir)


app.command("serve", rich_help_panel=RUN)(serve.serve)
app.command("demo", rich_help_panel=RUN)(demo.demo)
command(app, "bench", panel=RUN)(bench.bench)

command(app, "append", panel=EVENTS)(append.append)
command(app, "read", panel=EVENTS)(read.read)
command(app, "export", panel=EVENTS)(transfer.export)
command(app, "import", panel=EVENTS)(transfer.import_)

command(app, "subscribe", panel=SUBSCRIPTIONS, ends_on_interrupt=True)(subscribe.subscribe)
command(app, "consume", panel=SUBSCRIPTIONS, ends_on_interrupt=True)(consume.consume)
app.add_typer(subscriptions.group, name="subscriptions", rich_help_panel=SUBSCRIPTIONS)

app.add_typer(pubsub.group, name="pubsub", rich_help_panel=PUBSUB)

app.add_typer(stores.group, name="stores", rich_help_panel=STORES)
app.add_typer(streams.group, name="streams", rich_help_panel=STORES)
app.add_typer(snapshots.group, name="snapshots", rich_help_panel=STORES)
command(app, "status", panel=STORES)(checks.status)
command(app, "verify", panel=STORES)(checks.verify)
command(app, "backup", panel=STORES)(checks.backup)


def main() -> None:
    """Run the command that was typed."""
    open_standard_streams()
    try:
        app(prog_name="gater")
    except Exception as defect:  # noqa: BLE001 - whatever it is, the person at the terminal gets one clear line
        report_defect(defect)
        sys.exit(FAILED)
