"""The table of operations in the page of the RPC protocol."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from gater.api.catalog import OPERATIONS
from gater.api.operation import Operation
from gater.gateway.permissions import PERMISSIONS

_HEAD: Final = """| Operation | Arguments | Answer | Kind | Again | Scope |
|---|---|---|---|---|---|
"""


def operations_table() -> str:
    """The table as Markdown."""
    return _HEAD + "".join(_row(operation) for operation in OPERATIONS.values())


def _row(operation: type[Operation[Any]]) -> str:
    arguments = ", ".join(_argument(field) for field in msgspec.structs.fields(operation))
    kind = "stream" if operation.streaming else "call"
    again = "yes" if operation.repeatable else "no"
    scope = PERMISSIONS[operation.name].scope
    return f"| `{operation.name}` | {arguments} | `{_type_name(operation.answer)}` | {kind} | {again} | `{scope}` |\n"


def _argument(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return f"`{field.name}`"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return f"`{field.name}={default!r}`"


def _type_name(kind: Any) -> str:
    """The type of an answer as its operation writes it."""
    if kind is None:
        return "nil"
    inner = get_args(kind)
    return f"list of {_type_name(inner[0])}" if inner else str(kind.__name__)
