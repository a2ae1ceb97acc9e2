"""The page of limits: their values and meanings from the source, what is answered beyond them from the table below."""

from __future__ import annotations

import ast
import inspect
import itertools
from types import ModuleType
from typing import Final

from gater.config.settings import Settings, doc_text
from gater.gateway import backups
from gater.model import identifiers, json_rules, limits, message_body, selectors, subscriptions
from gater.model.errors import (
    EventTooLargeError,
    GaterError,
    InvalidArgumentError,
    OverloadedError,
    RequestTooLargeError,
    ValidationError,
)
from gater.server import rpc_transients
from gater.server.http import parked, reads, streams
from gater.store import subscription_records

_HEAD: Final = """# Limits

What one request, one connection and one store may hold. Everything that a sender decides is bounded by number as well
as by bytes, for the time that a request takes depends on the number. What is refused has had no effect; the details of
`request_too_large` name in `what` which number was too many.

## Settings

These bounds are [settings](settings.md) of a node; the values are the defaults.

| Name | Value | What is bounded | Beyond it |
|---|---|---|---|
"""
_CONSTANTS: Final = """
## Constants

These bounds are part of the API, and the same at every node.

| What is bounded | Value | Beyond it |
|---|---|---|
"""
_ANSWERS: Final = """
## Answers

Answers are cut here; each says how to read on.

| What is bounded | Value |
|---|---|
"""

_SETTINGS: Final[dict[str, type[GaterError]]] = {
    "max_event_bytes": EventTooLargeError,
    "max_request_bytes": RequestTooLargeError,
    "max_waiting_commands": OverloadedError,
    "max_waiting_bytes": OverloadedError,
    "max_memory": OverloadedError,
    "max_stores": OverloadedError,
    "max_connections": OverloadedError,
    "max_in_flight": OverloadedError,
    "max_streams": OverloadedError,
}
_REFUSED: Final[list[tuple[ModuleType, str, type[GaterError]]]] = [
    (limits, "MOST_EVENTS", RequestTooLargeError),
    (limits, "MOST_STREAMS", RequestTooLargeError),
    (limits, "MOST_GUARDS", RequestTooLargeError),
    (limits, "MOST_SETTLED", RequestTooLargeError),
    (limits, "MOST_POSITIONS", RequestTooLargeError),
    (limits, "MOST_LISTED_BYTES", RequestTooLargeError),
    (limits, "MOST_VALUES", RequestTooLargeError),
    (limits, "MOST_MESSAGE_VALUES", RequestTooLargeError),
    (limits, "MOST_SMALL_BYTES", RequestTooLargeError),
    (message_body, "MOST_BODY_BYTES", RequestTooLargeError),
    (limits, "MOST_DESCRIPTION_BYTES", InvalidArgumentError),
    (identifiers, "MAX_ID_BYTES", InvalidArgumentError),
    (identifiers, "MAX_TOPIC_BYTES", InvalidArgumentError),
    (json_rules, "MOST_NESTING", ValidationError),
    (selectors, "MOST_PATTERN_VALUES", ValidationError),
    (selectors, "MOST_PATTERN_BYTES", ValidationError),
    (selectors, "DEEPEST_PATTERN", ValidationError),
    (selectors, "MOST_PARTS", InvalidArgumentError),
    (selectors, "MOST_PARTS_IN_ALL", InvalidArgumentError),
    (selectors, "DEEPEST_JOIN", InvalidArgumentError),
    (subscriptions, "MOST_DELAYS", ValidationError),
    (rpc_transients, "MOST_TRANSIENT", OverloadedError),
    (subscription_records, "MOST_SUBSCRIPTIONS", OverloadedError),
    (subscription_records, "MOST_OF_PREFIX", OverloadedError),
    (backups, "MOST_BACKUPS", OverloadedError),
]
_CUT: Final = [
    (limits, "PAGE_EVENTS"),
    (limits, "PAGE_BYTES"),
    (reads, "MOST_EVENTS"),
    (reads, "MOST_BYTES"),
    (streams, "MOST_IDS"),
    (parked, "MOST_PARKED"),
]


def limits_page() -> str:
    """The page as Markdown."""
    defaults = Settings()
    settings = [
        f"| `{name}` | {_shown(name, getattr(defaults, name))} | {doc_text(name)} | `{error.code}` |\n"
        for name, error in _SETTINGS.items()
    ]
    refused = [
        f"| {_meaning(module, name)} | {_shown(name, getattr(module, name))} | `{error.code}` |\n"
        for module, name, error in _REFUSED
    ]
    cut = [f"| {_meaning(module, name)} | {_shown(name, getattr(module, name))} |\n" for module, name in _CUT]
    return _HEAD + "".join(settings) + _CONSTANTS + "".join(refused) + _ANSWERS + "".join(cut)


def _shown(name: str, value: int) -> str:
    if "BYTES" in name.upper() or name == "max_memory":
        for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value % size == 0:
                return f"{value // size:,} {unit}"
    return f"{value:,}"


def _meaning(module: ModuleType, name: str) -> str:
    """The docstring of a constant; LookupError when it has none."""
    body = ast.parse(inspect.getsource(module)).body
    for node, following in itertools.pairwise(body):
        match node, following:
            case ast.AnnAssign(target=ast.Name(id=found)), ast.Expr(value=ast.Constant(value=str(doc))):
                if found == name:
                    return " ".join(doc.split())
    raise LookupError(f"{module.__name__}.{name} has no docstring")
