"""The program `gater`: every command, put together."""

from __future__ import annotations

from typing import Annotated

import typer

import gater
from gater.cli import append, bench, checks, demo, read, serve, snapshots, stores, streams, subscribe, transfer
from gater.cli.command import root_options
from gater.cli.failures import exit_on_failure

app = typer.Typer(
    name="gater",
    help="An event store: in process, or served.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gater {gater.__version__}")
        raise typer.Exit


app.callback()(root_options)
serve.register(app)
demo.register(app)
app.add_typer(stores.group, name="stores")
app.add_typer(streams.group, name="streams")
append.register(app)
read.register(app)
subscribe.register(app)
app.add_typer(snapshots.group, name="snapshots")
transfer.register(app)
checks.register(app)
bench.register(app)


def main() -> None:
    """Run the command that was typed."""
    app(prog_name="gater")
