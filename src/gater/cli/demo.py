"""`gater demo`: greenhouses at work, on a node of their own."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Annotated

import typer

from gater.cli.command import run_coroutine
from gater.cli.failures import exit_on_failure
from gater.model.errors import MisconfiguredError

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
    with exit_on_failure(interrupt_code=0):
        run_coroutine(_demo(seconds, data_dir, port, producers))


async def _demo(seconds: float | None, data_dir: Path, port: int, producers: int) -> None:
    from gater.demo.run import Demo
    from gater.demo.screen import Screen

    try:
        await Demo(data_dir, port, producers, screen=Screen(), random=Random()).run(seconds)
    except MisconfiguredError as error:
        if error.setting != "port":
            raise
        raise MisconfiguredError("port", f"{error.reason}. Choose another with --port; 0 takes a free one") from None
