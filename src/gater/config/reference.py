"""The settings page of the documentation, drawn from the settings themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from gater.config.settings import FIELD_TYPES, Settings, doc_text, environment_names
from gater.config.tokens import MIN_TOKEN_LENGTH, SCOPES

_HEAD: Final = """# Settings

Each setting is taken from the first place that has it:

1. a flag of the command line, or an argument of `load_settings`;
2. the environment: the names are tried in the order of the table;
3. a TOML file, given with `--config` or named by `GATER_CONFIG`; its keys are the names of the table, unknown keys are
   refused;
4. the default.

In the environment a boolean is exactly `true` or `false`, a number is nothing but its digits, and a list is
separated by commas. What is wrong is refused at the start with the name of the setting.

| Setting | Type | Default | Environment | Meaning |
|---|---|---|---|---|
"""

_TOKENS: Final = f"""
## Tokens

A node on a loopback address without tokens serves everyone on its machine, with two exceptions: pages of other sites
(a browser would lend them its reach), and requests that address the node by another name than `localhost` or an IP
address. `allow_anonymous = true` lifts the second.

Elsewhere, callers send `Authorization: Bearer TOKEN`. Each entry of `tokens` has these keys:

| Key | Meaning |
|---|---|
| `scopes` | What it allows, some of {", ".join(f"`{scope}`" for scope in SCOPES)}; none includes another. Required. |
| `token` | The token: {MIN_TOKEN_LENGTH} or more visible ASCII characters. |
| `sha256` | Instead of `token`: its SHA-256 in hexadecimal, so that the file holds no secret. |
| `name` | What logs call it. |
| `stores` | The stores it is for; empty: all. |
| `stream_prefix` | It is only for streams whose ids begin so; calls about a whole store are then refused. |

```toml
host = "0.0.0.0"
stores = ["orders"]
secret_key_base = "change-me-to-something-long-and-random"

[[tokens]]
name = "shop"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
scopes = ["read", "append"]
stores = ["orders"]
stream_prefix = "order-"
```
"""


def settings_page() -> str:
    """The page as Markdown."""
    return _HEAD + "".join(_row(field) for field in msgspec.structs.fields(Settings)) + _TOKENS


def _row(field: msgspec.structs.FieldInfo) -> str:
    variables = ", ".join(f"`{name}`" for name in environment_names(field.name))
    kind = _type_text(msgspec.inspect.type_info(FIELD_TYPES[field.name]))
    return f"| `{field.name}` | {kind} | {_default_text(field.default)} | {variables} | {doc_text(field.name)} |\n"


def _type_text(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return _type_text(inner)
        case msgspec.inspect.BoolType():
            return "boolean"
        case msgspec.inspect.IntType():
            return "whole number"
        case msgspec.inspect.FloatType():
            return "number"
        case msgspec.inspect.CustomType():
            return "path"
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case msgspec.inspect.VarTupleType(item_type=msgspec.inspect.StructType()):
            return "list of tokens"
        case msgspec.inspect.VarTupleType():
            return "list of names"
        case msgspec.inspect.UnionType(types=types):
            return _type_text(next(one for one in types if not isinstance(one, msgspec.inspect.NoneType)))
        case _:
            return "text"


def _default_text(value: Any) -> str:
    match value:
        case None | ():
            return "—"
        case bool():
            return f"`{str(value).lower()}`"
        case Path():
            return f"`{value}`"
        case _:
            return f"`{value}`"
