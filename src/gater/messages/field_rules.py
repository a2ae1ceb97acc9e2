"""The rules for fields of a record, by type: one rule for each type that records declare.

A rule takes the name of the field and a value. It returns the value as it is kept, which is immutable and can travel,
or raises ValidationError naming the field.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin

from gater.model.errors import ValidationError

Symbol: TypeAlias = Annotated[str, "symbol"]
"""The name of something: a node, a component, an operation. 1 to 255 characters."""
Number: TypeAlias = int | float
Handle: TypeAlias = int | str
"""What tells a process or a task: its number or its name."""
Map: TypeAlias = Mapping[str, Any]
"""Plain data under names, nested up to a bound."""

Rule = Callable[[str, Any], Any]

LONGEST_SYMBOL: Final = 255
_DEEPEST: Final = 16
"""Levels of lists and maps that plain data may have."""
_LEAST: Final = -(1 << 63)
_MOST: Final = (1 << 63) - 1
"""The whole numbers that every reader of msgpack has room for."""


def rule_of(hint: Any) -> Rule:
    """The rule of a type; TypeError when records have no use for such a type."""
    if hint in _RULES:
        return _RULES[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return functools.partial(_choice, parts)
    if NoneType in parts:
        return functools.partial(_optional, rule_of(_union(part for part in parts if part is not NoneType)))
    if origin is Sequence:
        return functools.partial(_sequence, rule_of(parts[0]))
    if origin is Mapping:
        return functools.partial(_mapping, rule_of(parts[1]))
    raise TypeError(f"no rule for fields of type {hint}")


def _union(parts: Any) -> Any:
    return functools.reduce(operator.or_, parts)


def thawed(value: Any) -> Any:
    """A value that a rule has returned, with dicts and lists in place of what is immutable."""
    if isinstance(value, MappingProxyType):
        return {name: thawed(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [thawed(item) for item in value]
    return value


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError(field, f"text, not {_kind(value)}")
    text = str.__str__(value)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValidationError(field, "text that UTF-8 can encode")
    return text


def _symbol(field: str, value: Any) -> str:
    name = _text(field, value)
    if not 1 <= len(name) <= LONGEST_SYMBOL:
        raise ValidationError(field, f"a name of 1 to {LONGEST_SYMBOL} characters")
    return name


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValidationError(field, f"true or false, not {_kind(value)}")
    return value


def _whole(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError(field, f"a whole number, not {_kind(value)}")
    if not _LEAST <= value <= _MOST:
        raise ValidationError(field, "a whole number of at most 64 bits")
    return int(value)


def _number(field: str, value: Any) -> int | float:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValidationError(field, f"a finite number, not {value!r}")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError(field, f"a number, not {_kind(value)}")
    return _whole(field, value)


def _real(field: str, value: Any) -> float:
    return float(_number(field, value))


def _handle(field: str, value: Any) -> int | str:
    return _symbol(field, value) if isinstance(value, str) else _whole(field, value)


def _moment(field: str, value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise ValidationError(field, f"a date and time, not {_kind(value)}")
    try:
        offset = value.utcoffset()
        if offset is None:
            raise ValidationError(field, "a date and time that tells its time zone")
        return value.astimezone(UTC)
    except OverflowError:
        raise ValidationError(field, "a date and time within the years 1 to 9999, UTC") from None


def _choice(allowed: tuple[str, ...], field: str, value: Any) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValidationError(field, f"one of {', '.join(allowed)}, not {_shown(value)}")
    return str.__str__(value)


def _optional(rule: Rule, field: str, value: Any) -> Any:
    return None if value is None else rule(field, value)


def _sequence(rule: Rule, field: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValidationError(field, f"a list, not {_kind(value)}")
    return tuple(rule(field, item) for item in value)


def _mapping(rule: Rule, field: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValidationError(field, f"a map, not {_kind(value)}")
    return MappingProxyType({_text(field, name): rule(field, item) for name, item in value.items()})


def _plain(field: str, value: Any, depth: int = _DEEPEST) -> Any:
    """Plain data: None, booleans, numbers, text, bytes, dates; lists of them, and maps with names of text."""
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, int | float):
        return _number(field, value)
    if isinstance(value, str):
        return _text(field, value)
    if isinstance(value, datetime):
        return _moment(field, value)
    if not isinstance(value, Mapping | list | tuple):
        raise ValidationError(field, f"plain data, not {_kind(value)}")
    if not depth:
        raise ValidationError(field, f"at most {_DEEPEST} levels of lists and maps")
    inner = functools.partial(_plain, depth=depth - 1)
    return _mapping(inner, field, value) if isinstance(value, Mapping) else _sequence(inner, field, value)


def _kind(value: Any) -> str:
    return type(value).__name__


def _shown(value: Any) -> str:
    return repr(value[:64]) if isinstance(value, str) else _kind(value)


_RULES: Final[dict[Any, Rule]] = {
    str: _text,
    Symbol: _symbol,
    bool: _flag,
    int: _whole,
    float: _real,
    Number: _number,
    Handle: _handle,
    datetime: _moment,
    Any: _plain,
    Map: functools.partial(_mapping, functools.partial(_plain, depth=_DEEPEST - 1)),
}
