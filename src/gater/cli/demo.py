"""`gater demo`: greenhouses at work, on a node of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gater.cli.command import run_coroutine
from gater.cli.failures import exit_on_failure

Seconds = Annotated[
    float | None,
    typer.Option("--seconds", metavar="N", min=0.1, help="End after so long.", show_default="until Ctrl-C"),
]
Folder = Annotated[Path, typer.Option("--data-dir", metavar="DIR", help="Folder of the store file.")]
Port = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65_535, help="Port to serve on; 0: a free one.")]
Producers = Annotated[int, typer.Option("--producers", metavar="N", min=1, max=1_000, help="Greenhouses at work.")]


def demo(seconds: Seconds = None, data_dir: Folder = Path("data"), port: Port = 4001, producers: Producers = 5) -> None:
    """Watch greenhouses at work: a node, producers, and an observer.

    Starts a node with the store `reg_gh`, producers that append what greenhouses measure and do, and an observer
    that prints each event it sees. Ctrl-C ends it.
    """
    from gater.demo.run import Demo

    with exit_on_failure(interrupt_code=0):
        run_coroutine(Demo(data_dir, port, producers).run(seconds))
