"""The sources of settings: explicit values, then the environment, then a TOML file, then the defaults.

SECRET_KEY_BASE and LOG_LEVEL, which other programs use as well, come after the file, and LOG_LEVEL is passed over when
it says nothing that a node knows.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from gater.config.settings import FIELD_TYPES, Settings, environment_names, must_text
from gater.model.errors import MisconfiguredError

FILE_VARIABLE: Final = "GATER_CONFIG"
"""Names the TOML file when none is given."""

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,19}").fullmatch
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,9})?").fullmatch
_SECRET: Final = frozenset({"tokens"})
_NEVER_EMPTY: Final = frozenset({"secret_key_base"})
_SHARED: Final = frozenset({"SECRET_KEY_BASE", "LOG_LEVEL"})
"""Variables that are not only a node's: a configuration file, which is, comes before them."""
_BOOLEANS: Final = {"true": True, "false": False}
_LOG_LEVELS: Final = {"trace": "debug", "notset": "debug", "warn": "warning", "critical": "error", "fatal": "error"}
"""Levels that other programs have, and the nearest of a node's."""


def load_settings(
    explicit: Mapping[str, Any] | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of a node, each from the first place that has it.

    `explicit` holds values, or their text, by the name of the setting (None: not given; False counts). `file` is a TOML
    file with the same names (absent: the one that GATER_CONFIG names, if any). Raises MisconfiguredError, which
    names the setting, the place and the reason.
    """
    environ = os.environ if environ is None else environ
    given = _from_arguments(explicit or {})
    path = file or environ.get(FILE_VARIABLE)
    shared, own = _from_environment(environ)
    merged = {**shared, **(_from_file(Path(path)) if path else {}), **own, **given}
    return Settings(**merged)


def environment_without_settings() -> dict[str, str]:
    """The environment of a node that this process runs with settings of its own: without those of other nodes."""
    named = {variable for name in FIELD_TYPES for variable in environment_names(name)}
    return {name: value for name, value in os.environ.items() if name not in named and not name.startswith("GATER_")}


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command that this process runs: its own, and some variables more."""
    return {**os.environ, **variables}


def _from_arguments(explicit: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in explicit.items() if value is not None}
    _refuse_unknown(given, "given as an argument")
    return {name: _parsed(name, value) if isinstance(value, str) else value for name, value in given.items()}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MisconfiguredError("config", f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MisconfiguredError("config", f"{path}: {error}") from None
    _refuse_unknown(values, f"in {path}")
    return values


def _refuse_unknown(values: Mapping[str, Any], place: str) -> None:
    for name in values:
        if name not in FIELD_TYPES:
            raise MisconfiguredError(name, f"there is no such setting ({place})")


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings in variables: those that other programs use, too, and those that are meant for a node."""
    shared: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name in FIELD_TYPES:
        variable = next((known for known in environment_names(name) if _says_something(name, environ.get(known))), None)
        if variable in _SHARED:
            with suppress(MisconfiguredError):
                shared[name] = _usable(name, _parsed(name, environ[variable], variable))
        elif variable is not None:
            own[name] = _parsed(name, environ[variable], variable)
    return shared, own


def _usable(name: str, value: Any) -> Any:
    """The value, when it is one of the setting's; MisconfiguredError otherwise."""
    return getattr(Settings(**{name: value}), name)


def _says_something(name: str, text: str | None) -> bool:
    """Whether a variable gives a value; an empty key is none, and hides none that stands elsewhere."""
    return text is not None and (text != "" or name not in _NEVER_EMPTY)


def _parsed(name: str, text: str, variable: str = "") -> Any:
    """The value that a text stands for, in the type of the setting."""
    try:
        return _PARSERS.get(name, str)(text)
    except ValueError as error:
        rule = f"must {must_text(name) or error}" + ("" if name in _SECRET else f", got: {text!r}")
        raise MisconfiguredError(name, f"{rule} (from {variable})" if variable else rule) from None


def _boolean(text: str) -> bool:
    """True or False for exactly `true` or `false`."""
    if text not in _BOOLEANS:
        raise ValueError("be true or false")
    return _BOOLEANS[text]


def _word(text: str) -> str:
    """One of a few words, in capitals or not."""
    return text.strip().lower()


def _log_level(text: str) -> str:
    """A level of log lines by a name that is common for it."""
    return _LOG_LEVELS.get(_word(text), _word(text))


def _whole_number(text: str) -> int:
    """The number, when the whole text is one in base 10."""
    if not _WHOLE_NUMBER(text):
        raise ValueError("be a whole number")
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER(text):
        raise ValueError("be a number")
    return float(text)


def _names(text: str) -> tuple[str, ...]:
    """Comma-separated names, trimmed, blanks dropped."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _json_list(text: str) -> list[Any]:
    """The values of a JSON list."""
    try:
        return msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("be a JSON list of tokens") from None


def _parser_of(kind: Any) -> Callable[[str], Any] | None:
    """The parser from text to a value of that type; None for text."""
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.Metadata(type=inner):
            return _parser_of_plain(inner)
        case plain:
            return _parser_of_plain(plain)


def _parser_of_plain(kind: msgspec.inspect.Type) -> Callable[[str], Any] | None:
    match kind:
        case msgspec.inspect.BoolType():
            return _boolean
        case msgspec.inspect.IntType():
            return _whole_number
        case msgspec.inspect.FloatType():
            return _number
        case msgspec.inspect.LiteralType():
            return _word
        case msgspec.inspect.VarTupleType(item_type=msgspec.inspect.StrType()):
            return _names
        case msgspec.inspect.VarTupleType():
            return _json_list
        case msgspec.inspect.UnionType(types=types):
            return next((parser for one in types if (parser := _parser_of_plain(one))), None)
        case _:
            return None


_PARSERS: Final = {
    **{name: parser for name, kind in FIELD_TYPES.items() if (parser := _parser_of(kind))},
    "log_level": _log_level,
}
