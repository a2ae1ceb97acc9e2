"""The approximate memory of a message while it waits."""

from __future__ import annotations

from typing import Any, Final

OBJECT_BYTES: Final = 64
"""Memory of a value beside its text or bytes."""


def weight_of(body: Any) -> int:
    """Bytes of a message body: texts, bytes and a fixed weight for each value; what holds itself is looked at once."""
    total, todo, seen = 0, [body], set[int]()
    while todo:
        value = todo.pop()
        total += OBJECT_BYTES
        if isinstance(value, str | bytes | bytearray):
            total += len(value)
        elif isinstance(value, dict | list | tuple | set | frozenset):
            if id(value) in seen:
                continue
            seen.add(id(value))
            todo.extend(value)
            if isinstance(value, dict):
                todo.extend(value.values())
    return total
