"""The page of errors: the tree, and what each error is over HTTP, drawn from the classes and the table of codes."""

from __future__ import annotations

from typing import Final

from gater.model import errors
from gater.wire.errors import HTTP_STATUS

_HEAD: Final = """# Errors

Every failure is a `GaterError`. It has a `code`, which is stable and what programs should look at; a `message` for
people; and `details`, a mapping of its fields, which can also be read as attributes. The same failure has the same code
and fields in process, over RPC and over HTTP. Over HTTP it is

```json
{"error": {"code": "store_not_found", "message": "There is no store of that name here", "details": {"store": "ordres"}}}
```

with the status of the table. `error.retryable` says that the call did not get through, or that nobody knows, and that
trying again may help:
[an append can be repeated safely](../how-to/append-safely.md#repeat-when-the-outcome-is-unknown).

```python
try:
    await api.get_events("ordres", "order-1")
except gater.NotFoundError as error:
    print(error.code, error.store, error.retryable)
```

```text
store_not_found ordres False
```

Catch a branch of the tree to catch what is below it.

## The tree

"""

_TABLE: Final = """
## Codes

| Code | Class | Status | Retryable | Fields | Meaning |
|---|---|---|---|---|---|
"""

_TAIL: Final = """
Further fields may be in `details`: the line of an import in which the error was met, for example. A code that a client
does not know arrives as a `GaterError` with that code.
"""


def errors_page() -> str:
    """The page as Markdown."""
    return _HEAD + _tree() + _TABLE + "".join(_row(error) for error in HTTP_STATUS) + _TAIL


def _tree() -> str:
    lines = (errors.__doc__ or "").splitlines()
    drawn = [line for line in lines if line.startswith(("GaterError", "├", "│", "└"))]
    return "\n".join(["```text", *drawn, "```", ""])


def _row(error: type[errors.GaterError]) -> str:
    fields = ", ".join(f"`{field}`" for field in error.fields)
    meaning = (error.__doc__ or "").strip().splitlines()[0]
    retryable = "yes" if error.retryable else "no"
    return f"| `{error.code}` | `{error.__name__}` | {HTTP_STATUS[error]} | {retryable} | {fields} | {meaning} |\n"
