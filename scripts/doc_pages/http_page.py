"""The page of HTTP routes, drawn from their OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, Final

from gater.server.app import ROUTES
from gater.server.http.documented import TITLES
from gater.server.openapi import openapi_document

_HEAD: Final = """# HTTP

A node answers HTTP/1.1 on its one port. The same description is served as OpenAPI at `/openapi.json`, and as a page at
`/docs`.

- Bodies are JSON in UTF-8. A field that a body or a query does not have is refused.
- Names in a path are percent-encoded; a slash in a name is `%2F`.
- A token is sent as `Authorization: Bearer TOKEN`.
- Every failure is answered with the status of its [code](errors.md#codes) and
  `{"error": {"code": …, "message": …, "details": …}}`.
- The expected version of an append is a header (`Gater-Expected-Version: 4`) or a query parameter
  (`expected_version=4`): a version, or `no_stream`, `any`, `stream_exists`.
- Reads answer JSON: a page, with `next` to go on with. With `Accept: application/x-ndjson` they answer everything, an
  event a line, while it is read. If that breaks off, the last line is an error.
- The payload of an event is JSON as it was given, or base64 text when its `content_type` is something else. See
  [Event fields](event-fields.md).

"""

_SHAPES: Final = """## Shapes

The objects that bodies and answers are made of. A field with a default may be left out.

"""

_METHODS: Final = ("get", "post", "put", "delete")


def http_page() -> str:
    """The page as Markdown."""
    document = openapi_document(ROUTES)
    sections = "".join(_section(tag, document["paths"]) for tag in _tags(document["paths"]))
    shapes = "".join(_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items()))
    return _HEAD + sections + _SHAPES + shapes


def _tags(paths: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(operation["tags"][0] for _, _, operation in _operations(paths)))


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in paths.items():
        for method in _METHODS:
            if method in methods:
                yield method, path, methods[method]


def _section(tag: str, paths: dict[str, Any]) -> str:
    return f"## {TITLES[tag]}\n\n" + "".join(
        _route(method, path, operation) for method, path, operation in _operations(paths) if tag in operation["tags"]
    )


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    text = f"### {method.upper()} {path}\n\n{operation['summary']}.\n\n"
    if "description" in operation:
        text += operation["description"] + "\n\n"
    given = [each for each in operation["parameters"] if each["in"] != "path"]
    if given:
        rows = "".join(f"| `{each['name']}` | {each['in']} | {_parameter_text(each)} |\n" for each in given)
        text += f"| Parameter | In | Meaning |\n|---|---|---|\n{rows}\n"
    if "requestBody" in operation:
        text += f"Body: {_content(operation['requestBody']['content'])}.\n\n"
    status, response = next(iter(operation["responses"].items()))
    answer = _content(response["content"]) if "content" in response else "nothing"
    return f"{text}Answer: {status}, {answer}.\n\n"


def _parameter_text(parameter: dict[str, Any]) -> str:
    default = parameter["schema"].get("default")
    text = parameter["description"].replace("|", "\\|")
    return f"{text} Default: `{default}`." if default not in (None, "") else text


def _content(content: dict[str, Any]) -> str:
    return ", or ".join(
        _type_text(about["schema"]) if kind == "application/json" else f"`{kind}`{_lines_of(about['schema'])}"
        for kind, about in content.items()
    )


def _lines_of(schema: dict[str, Any]) -> str:
    return f" with a {_type_text(schema)} a line" if "$ref" in schema else ""


def _shape(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"| `{field}` | {_type_text(about)} | {_need(field in required, about)} |\n"
        for field, about in schema.get("properties", {}).items()
    )
    doc = cleandoc(schema.get("description", ""))
    return f"### {name}\n\n{doc}\n\n| Field | Type | |\n|---|---|---|\n{rows}\n"


def _need(required: bool, schema: dict[str, Any]) -> str:
    if required:
        return "required"
    default = schema.get("default")
    return "optional" if default is None else f"default `{_value_text(default)}`"


def _value_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) if value != "" else '""'


def _type_text(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type_text(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any JSON")
    if isinstance(kind, list):
        return " or ".join(_type_text({**schema, "type": one}) for one in kind)
    if kind == "array" and "items" in schema:
        return f"list of {_type_text(schema['items'])}"
    name = {"integer": "whole number", "string": "text"}.get(kind, str(kind))
    return f"{name} ({schema['format']})" if "format" in schema else name
