"""A flag for every setting of a node, drawn from the settings themselves."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any, Final, get_args

import msgspec
import typer

from gater.config.settings import FIELD_TYPES, SECRETS, Settings, doc_text

NOT_FLAGS: Final = frozenset({"tokens", *SECRETS})
"""Settings that hold secrets, which a list of processes would show."""

_NAMES: Final = {"stores": "--store"}
_METAVARS: Final = {"Path": "PATH", "bool": "true|false", "'int'": "N", "'float'": "N", "tuple": "NAME"}
_LINK: Final = re.compile(r"\[([^]]*)\]\([^)]*\)")


def flag_parameters() -> list[inspect.Parameter]:
    """The parameters of a command that takes every setting; a flag that is not given is None."""
    return [_parameter(field) for field in msgspec.structs.fields(Settings) if field.name not in NOT_FLAGS]


def _parameter(field: msgspec.structs.FieldInfo) -> inspect.Parameter:
    """The flag takes text, which is judged together with all settings; that of a list may be repeated."""
    kind = list[str] | None if field.name in _NAMES else str | None
    option = typer.Option(
        _NAMES.get(field.name, "--" + field.name.replace("_", "-")),
        metavar=_metavar(str(get_args(FIELD_TYPES[field.name])[0])),
        help=f"{_plain(doc_text(field.name))}{_default_text(field.default)}",
        show_default=False,
        rich_help_panel="Settings",
    )
    annotation = Annotated[kind, option]  # type: ignore[valid-type]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _metavar(kind: str) -> str:
    """The placeholder for the value of a setting whose type has this name."""
    for part, metavar in _METAVARS.items():
        if part in kind:
            return metavar
    return "TEXT"


def _default_text(default: Any) -> str:
    return "" if default in (None, ()) else f" Default: {default}."


def _plain(doc: str) -> str:
    """A line of the settings page as a terminal shows it."""
    return _LINK.sub(r"\1", doc).replace("`", "")
