"""`gater serve`: run a node; its flags are the settings."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gater.cli.command import run_coroutine
from gater.cli.failures import WRONG_USAGE, exit_on_failure, report, silence_stdout
from gater.cli.setting_flags import flag_parameters
from gater.model.errors import MisconfiguredError

if TYPE_CHECKING:
    from gater.config.settings import Settings
    from gater.node import Node

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="A TOML file with settings; GATER_CONFIG names it too."),
]


def serve(config: Path | None, **flags: Any) -> None:
    """Run a node: stores on this machine, served over HTTP and RPC on one port.

    A setting comes from its flag here, else from the environment (--max-streams is GATER_MAX_STREAMS), else from the
    file, else from its default. Ctrl-C or SIGTERM ends the node when what it accepted is answered.
    """
    with exit_on_failure(interrupt_code=0):
        settings = _settings(config, flags)
        from gater.node_program import run_node

        run_coroutine(run_node(settings, _print_place))


def _print_place(node: Node) -> None:
    """Print where the node is reached, if anything takes it: a node does not end for want of an output."""
    from gater import __version__

    place = f"Gater {__version__} serves the stores in {node.settings.data_dir} at {node.url} (API: {node.url}/docs)"
    try:
        print(place, flush=True)
    except OSError:
        silence_stdout()


def _settings(config: Path | None, flags: dict[str, Any]) -> Settings:
    from gater.config.sources import load_settings

    try:
        return load_settings(flags, file=config)
    except MisconfiguredError as error:
        report(error, json=False)
        raise typer.Exit(WRONG_USAGE) from None


_CONFIG: Final = inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, annotation=ConfigFile, default=None)
vars(serve)["__signature__"] = inspect.Signature([_CONFIG, *flag_parameters()])
