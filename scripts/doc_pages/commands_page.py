"""The page of the command line, drawn from the program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer.main

from gater.cli.main import app

_HEAD: Final = """# Commands

```text
gater COMMAND …
```

Commands about events and stores go to a node, or straight to the files of a folder. These options say which; they may
stand before the command or after it:

{where}`--json` prints one JSON document, or for events one JSON object a line. Without it, tables for people are
printed, and remarks go to stderr. `--help` explains each command, `gater --version` tells the version.

| Exit code | Meaning |
|---|---|
| 0 | it was done |
| 1 | it failed: the error's code and message are on stderr, with `--json` as `{{"error": …}}` |
| 2 | it was typed wrongly, or a setting is wrong |
| 130 | Ctrl-C ended it before it was done |

Ctrl-C is how `serve`, `demo`, `subscribe`, `consume` and `pubsub listen` end: their exit code is 0 then. It is 1, too,
when `verify` finds damage, when a question is answered with no, and when `consume` ends for `--on-failure stop`.

{index}

"""

_SERVE: Final = """The other options are the [settings](settings.md): the setting `max_streams` is `--max-streams`,
`stores` is `--store` (which may be repeated), and a switch is turned off with `--no-`. Tokens are no options, for every
process list would show them.

"""

_PANELS: Final = {"Where", "Settings"}
"""Groups of options that are explained once."""


def commands_page() -> str:
    """The page as Markdown."""
    root: Any = typer.main.get_command(app)
    found = list(_walk(root, "gater"))
    index = "\n".join(f"- [`{name}`](#{name.replace(' ', '-')}): {_summary(command)}" for name, command in found)
    where = _table([option for option in root.params if option.rich_help_panel == "Where"])
    return _HEAD.format(where=where, index=index) + "".join(_section(name, command) for name, command in found)


def command_names() -> list[str]:
    """Every command, as it is typed."""
    return [name for name, _ in _walk(typer.main.get_command(app), "gater")]


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    members = getattr(command, "commands", None)
    if members is None:
        yield name, command
        return
    for member, found in members.items():
        yield from _walk(found, f"{name} {member}")


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if not _is_option(each)]
    options = [each for each in command.params if _is_option(each) and _is_own(each)]
    usage = " ".join([name, *(_placeholder(each) for each in arguments), *(["[OPTIONS]"] if options else [])])
    explained = command.help.split("\f")[0].strip()
    tables = _table(arguments) + (_SERVE if name == "gater serve" else "") + _table(options)
    return f"## {name}\n\n```text\n{usage}\n```\n\n{explained}\n\n{tables}"


def _table(parameters: list[Any]) -> str:
    rows = "".join(f"| {_spelling(each)} | {_meaning(each)} |\n" for each in parameters)
    return f"| | |\n|---|---|\n{rows}\n" if rows else ""


def _spelling(parameter: Any) -> str:
    if not _is_option(parameter):
        return f"`{_placeholder(parameter)}`"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    return f"{names} `{parameter.metavar}`".replace("|", "\\|") if parameter.metavar else names


def _meaning(parameter: Any) -> str:
    default = parameter.default if parameter.show_default is True else parameter.show_default
    text = str(parameter.help).replace("|", "\\|")
    if default not in (None, False, "", ()):
        text += f" Default: {default}."
    return f"{text} In the environment: `{parameter.envvar}`." if parameter.envvar else text


def _placeholder(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper()).strip("[].")
    return (name if argument.required else f"[{name}]") + ("..." if argument.nargs == -1 else "")


def _summary(command: Any) -> str:
    return str(command.help.strip().splitlines()[0])


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _is_own(option: Any) -> bool:
    return option.rich_help_panel not in _PANELS and option.name != "json"
