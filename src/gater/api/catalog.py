"""Every operation of the API, found by its name.

Whoever carries operations (in process, over RPC) needs no more than this: `answer` of what is found is the type of its
result, or of one item of its stream.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from gater.api import operations, pubsub_operations, subscription_operations, telemetry_operations
from gater.api.operation import Operation


def _of(module: ModuleType) -> dict[str, type[Operation[Any]]]:
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Operation)]
    return {operation.name: operation for operation in found if "name" in vars(operation)}


OPERATIONS: Final[dict[str, type[Operation[Any]]]] = {
    **_of(operations),
    **_of(subscription_operations),
    **_of(pubsub_operations),
    **_of(telemetry_operations),
}
"""Every operation by its name on the wire."""
