"""The records of system messages: what a declaration of fields becomes.

    @record("ex_esdb_health", "node_health_updated")
    class NodeHealth(Record):
        node: Symbol
        status: Literal["healthy", "degraded"]
        _: KW_ONLY
        load_avg: float | None = None

A record is frozen and valid when it exists. What is above KW_ONLY is given by position, the rest by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Final, Self, TypeVar, dataclass_transform, get_type_hints

from gater.messages.field_rules import Rule, rule_of, thawed
from gater.messages.origin import current_timestamp
from gater.model.errors import ValidationError

_DERIVE: Final = "derive"
_UNSET: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one system message."""

    tag: ClassVar[str] = ""
    """The name of the message on the bus."""
    instance: ClassVar[str] = ""
    """The full name of the pub/sub instance that it belongs to."""
    _rules: ClassVar[Mapping[str, Rule]] = {}
    _derived: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    _init: ClassVar[tuple[str, ...]] = ()
    _required: ClassVar[tuple[str, ...]] = ()

    timestamp: datetime = field(default_factory=current_timestamp, kw_only=True)
    """When the message was made, UTC."""

    def __post_init__(self) -> None:
        for name in self._init:
            value = getattr(self, name)
            if value is not _UNSET:
                object.__setattr__(self, name, self._rules[name](name, value))
        for name, derive in self._derived.items():
            if name not in self._init or getattr(self, name) is _UNSET:
                object.__setattr__(self, name, derive(self))

    def __reduce__(self) -> Any:
        return type(self).from_dict, (self.to_dict(),)

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, as plain data; dates stay dates."""
        return {name: thawed(getattr(self, name)) for name in self._rules}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record with these fields: all of `to_dict`, where those that have a fixed default may be missing.

        A field that is taken from the surroundings otherwise (the time, the node, a random id) must be there: it would
        tell where the message was read, not where it was made. Raises ValidationError naming the field.
        """
        if not isinstance(values, Mapping):
            raise ValidationError(cls.tag, f"a map of fields, not {type(values).__name__}")
        for name in values:
            if name not in cls._rules:
                raise ValidationError(str(name), f"{cls.__name__} has no such field")
        for name in cls._required:
            if name not in values:
                raise ValidationError(name, "is missing")
        made = cls(**{name: value for name, value in values.items() if name in cls._init})
        for name, value in values.items():
            if name not in cls._init and value != getattr(made, name):
                raise ValidationError(name, "does not follow from the other fields")
        return made


Declared = TypeVar("Declared", bound=Record)

RECORDS: Final[dict[str, type[Record]]] = {}
"""Every declared record by its tag."""


def derived(derive: Callable[[Any], Any]) -> Any:
    """The default of a field that follows from the fields above it, unless it is given."""
    return field(default=_UNSET, metadata={_DERIVE: derive})


def computed(derive: Callable[[Any], Any]) -> Mapping[str, Any]:
    """As `field(init=False, metadata=…)`: the field always follows from those above it and is never given."""
    return {_DERIVE: derive}


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(instance: str, tag: str) -> Callable[[type[Declared]], type[Declared]]:
    """Make a record of a class that declares fields."""

    def declare(cls: type[Declared]) -> type[Declared]:
        made = dataclass(frozen=True, slots=True)(cls)
        hints = get_type_hints(made, include_extras=True)
        made.instance, made.tag = instance, tag
        made._rules = {each.name: rule_of(hints[each.name]) for each in fields(made)}
        made._derived = {each.name: each.metadata[_DERIVE] for each in fields(made) if _DERIVE in each.metadata}
        made._init = tuple(each.name for each in fields(made) if each.init)
        made._required = tuple(each.name for each in fields(made) if _is_required(each))
        if RECORDS.setdefault(tag, made) is not made:
            raise TypeError(f"two records have the tag {tag}")
        return made

    return declare


def _is_required(each: Field[Any]) -> bool:
    """Whether a stored record must have the field: there is no default, or none that is the same everywhere."""
    return each.init and each.default is MISSING and each.default_factory is not dict
