"""A flag for every setting of a node, drawn from the settings themselves."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any, Final, get_args

import msgspec
import typer

from gater.config.settings import FIELD_TYPES, Settings, doc_text, environment_names

NOT_FLAGS: Final = frozenset({"tokens"})
"""Settings that hold secrets, which a list of processes would show."""

_NAMES: Final = {"stores": "--store"}
_LINK: Final = re.compile(r"\[([^]]*)\]\([^)]*\)")


def flag_parameters() -> list[inspect.Parameter]:
    """The parameters of a command that takes every setting; a flag that is not given is None."""
    return [_parameter(field) for field in msgspec.structs.fields(Settings) if field.name not in NOT_FLAGS]


def _parameter(field: msgspec.structs.FieldInfo) -> inspect.Parameter:
    kind, declaration, metavar = _kind(field.name)
    option = typer.Option(
        declaration,
        metavar=metavar,
        help=f"{_plain(doc_text(field.name))} ({environment_names(field.name)[0]})",
        show_default=_default_text(field.default),
        rich_help_panel="Settings",
    )
    annotation = Annotated[kind, option]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _kind(name: str) -> tuple[Any, str, str | None]:
    """How the flag is parsed, how it is written, and what stands for its value; text is judged with the settings."""
    flag = _NAMES.get(name, "--" + name.replace("_", "-"))
    inner = str(get_args(FIELD_TYPES[name])[0])
    if name in _NAMES:
        return list[str] | None, flag, "NAME"
    if "bool" in inner:
        return bool | None, f"{flag}/--no-{flag.removeprefix('--')}", None
    return str | None, flag, _metavar(inner)


def _metavar(inner: str) -> str:
    if "Literal" in inner:
        return "|".join(re.findall(r"'(\w+)'", inner))
    if "Path" in inner:
        return "PATH"
    return "N" if "int" in inner or "float" in inner else "TEXT"


def _default_text(default: Any) -> str | bool:
    return False if default in (None, ()) else str(default)


def _plain(doc: str) -> str:
    """A line of the settings page as a terminal shows it."""
    return _LINK.sub(r"\1", doc).replace("`", "")
