"""The nine kinds of system messages: which module belongs to which pub/sub instance."""

from __future__ import annotations

from types import MappingProxyType, ModuleType
from typing import Any, Final

from gater.messages.payloads import (
    alerts,
    audit,
    diagnostics,
    health,
    lifecycle,
    logs,
    metrics,
    security,
    system,
)
from gater.messages.records import Record
from gater.messages.replay import ReplayGuard
from gater.model.errors import UnknownInstanceError

_MODULES: Final = (system, health, metrics, lifecycle, security, audit, alerts, diagnostics, logs)
_BY_INSTANCE: Final = MappingProxyType({str(module.INSTANCE): module for module in _MODULES})


def all_modules() -> tuple[ModuleType, ...]:
    """The nine payload modules."""
    return _MODULES


def supported_instances() -> tuple[str, ...]:
    """The full names of the nine instances that have messages; events of stores are none, so theirs is missing."""
    return tuple(_BY_INSTANCE)


def instance_to_module_map() -> dict[str, ModuleType]:
    """The nine modules by the full name of their instance."""
    return dict(_BY_INSTANCE)


def module_for_instance(instance: str) -> ModuleType | None:
    """The module of an instance, by its full name; None when it has no messages."""
    return _BY_INSTANCE.get(instance) if isinstance(instance, str) else None


def validate_message(instance: str, message: Any, *, guard: ReplayGuard | None = None) -> Record:
    """The record in an envelope that came from an instance, if it is to be believed; else a MessageError.

    As `validate_secure_message` of the instance's module; UnknownInstanceError when there is none.
    """
    module = module_for_instance(instance)
    if module is None:
        raise UnknownInstanceError(instance)
    opened: Record = module.validate_secure_message(message, guard=guard)
    return opened
