"""The page that lists the routes of the API: plain HTML without scripts, drawn from its OpenAPI description."""

from __future__ import annotations

import re
from html import escape
from typing import Any, Final

from gater.server.http.documented import TITLES

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 0.9em ui-monospace, monospace; background: var(--soft); padding: 0.1em 0.3em; border-radius: 3px; }
summary { cursor: pointer; padding: 0.5rem 0 0.5rem 5.75rem; text-indent: -5.75rem; }
summary b { display: inline-block; min-width: 4.5rem; text-indent: 0; font: 700 0.8em ui-monospace, monospace; }
details { border-bottom: 1px solid var(--line); } details > div { padding: 0 0 1rem 4.5rem; }
table { border-collapse: collapse; width: 100%; } td { vertical-align: top; padding: 0.2rem 1rem 0.2rem 0; }
h2 { margin-top: 2.5rem; }
p.text { white-space: pre-line; }
"""

Json = dict[str, Any]


def docs_page(document: Json) -> str:
    """The whole page."""
    info = document["info"]
    shapes = document["components"]["schemas"]
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width, initial-scale=1'>",
            f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>{_text(info['description'])}",
            "<p>For programs: <a href=/openapi.json>openapi.json</a>.</p>",
            *(_section(tag, operations) for tag, operations in _by_tag(document).items()),
            "<h2>Shapes</h2>",
            *(_shape(name, schema) for name, schema in shapes.items()),
            f"<h2>Errors</h2>{_text(document['components']['responses']['Error']['description'])}</html>",
        ]
    )


def _by_tag(document: Json) -> dict[str, list[tuple[str, str, Json]]]:
    sections: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections.setdefault(operation["tags"][0], []).append((method, path, operation))
    return sections


def _section(tag: str, operations: list[tuple[str, str, Json]]) -> str:
    return f"<h2>{escape(TITLES[tag])}</h2>" + "".join(_operation(*operation) for operation in operations)


def _operation(method: str, path: str, operation: Json) -> str:
    rows = [
        (parameter["name"], f"{parameter['in']}, {_kind(parameter['schema'])}", parameter["description"])
        for parameter in operation["parameters"]
    ]
    body = operation.get("requestBody", {}).get("content", {})
    rows += [("body", f"{media_type}, {_kind(content['schema'])}", "") for media_type, content in body.items()]
    for status, response in operation["responses"].items():
        rows += [
            (f"answer {status}", f"{media_type}, {_kind(content['schema'])}", response["description"])
            for media_type, content in response.get("content", {}).items()
        ]
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {_inline(operation['summary'])}"
        f"</summary><div>{_text(operation.get('description', ''))}{_table(rows)}</div></details>"
    )


def _shape(name: str, schema: Json) -> str:
    rows = [
        (field, _kind(about) + (", required" if field in schema.get("required", ()) else ""), "")
        for field, about in schema.get("properties", {}).items()
    ]
    return (
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>"
        f"<div>{_text(schema.get('description', ''))}{_table(rows)}</div></details>"
    )


def _kind(schema: Json) -> str:
    """The type that a schema allows, in a few words; shapes by their names."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = schema.get("type", "any JSON")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{words} ({schema['format']})" if "format" in schema else words


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{_inline(doc)}" for name, kind, doc in rows
    )
    return f"<table>{cells}</table>" if cells else ""


def _text(text: str) -> str:
    return f"<p class=text>{_inline(text)}</p>" if text else ""


def _inline(text: str) -> str:
    """Text with what stands between backticks shown as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
