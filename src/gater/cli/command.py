"""Commands are coroutines; this turns them into typer commands that all take the same options and fail alike."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from gater.cli.failures import INTERRUPTED, exit_on_failure
from gater.cli.target import DEFAULT_URL, Target

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi

_WHERE: Final = "Where"

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="GATER_URL",
        metavar="URL",
        help="The server.",
        show_default=DEFAULT_URL,
        rich_help_panel=_WHERE,
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="GATER_TOKEN", metavar="TOKEN", help="Bearer token for the server.", rich_help_panel=_WHERE
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Open the store files in this folder directly, without a server.",
        rich_help_panel=_WHERE,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Call:
    """One command as it was typed: where it goes, and whether it answers in JSON."""

    target: Target
    json: bool = False

    def api(self, *, create: bool = False) -> AbstractAsyncContextManager[GaterApi]:
        """The API of the target; with `create`, a data folder that is not there is made."""
        return self.target.open(create=create)


Body = TypeVar("Body", bound=Callable[..., Coroutine[Any, Any, None]])


def command(
    group: typer.Typer, name: str, *, panel: str | None = None, ends_on_interrupt: bool = False
) -> Callable[[Body], Body]:
    """Register a coroutine function `(call, its own parameters)` as the command `name` of the group.

    The help lists it under the heading `panel`. The command also takes the options that say where, and `--json`.
    Ctrl-C ends it with exit code 130, or with 0 when it `ends_on_interrupt`, which is how an endless command ends.
    """

    def register(body: Body) -> Body:
        def run(context: typer.Context, **values: Any) -> None:
            call = Call(_target(context, values), values.pop("json"))
            with exit_on_failure(json=call.json, interrupt_code=0 if ends_on_interrupt else INTERRUPTED):
                run_coroutine(body(call, **values))

        vars(run)["__signature__"] = _signature(body)
        group.command(name, help=inspect.getdoc(body), rich_help_panel=panel)(run)
        return body

    return register


def run_coroutine(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine to its end, on uvloop where that exists."""
    from gater.api.event_loop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(coroutine)


def remember_place(context: typer.Context, url: str | None, token: str | None, data_dir: Path | None) -> None:
    """Keep where to go as it was said before the command's name, for commands that are not told otherwise."""
    _refuse_two_places(context)
    context.obj = {"url": url, "token": token, "data_dir": data_dir}


def _signature(body: Callable[..., Any]) -> inspect.Signature:
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(body, eval_str=True).parameters.values())[1:]
    ]
    keyword = functools.partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
    where = [
        keyword("url", annotation=Url, default=None),
        keyword("token", annotation=Token, default=None),
        keyword("data_dir", annotation=DataDir, default=None),
        keyword("json", annotation=Json, default=False),
    ]
    return inspect.Signature([keyword("context", annotation=typer.Context), *own, *where])


def _target(context: typer.Context, values: dict[str, Any]) -> Target:
    """The place that the options name: those after the command's name win over those before it."""
    _refuse_two_places(context)
    said = {name: values.pop(name) for name in ("url", "token", "data_dir")}
    before = context.find_root().obj or {}
    typed = {name for name in said if _typed(context, name)}
    if "url" in typed:
        before = {**before, "data_dir": None}
    chosen = {name: said[name] if name in typed else before.get(name) or said[name] for name in said}
    return Target(chosen["url"] or DEFAULT_URL, chosen["token"], chosen["data_dir"])


def _refuse_two_places(context: typer.Context) -> None:
    if _typed(context, "url") and _typed(context, "data_dir"):
        raise typer.BadParameter("say where with --url or with --data-dir, not both", ctx=context)


def _typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
