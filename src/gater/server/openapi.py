"""The description of the HTTP API (OpenAPI 3.1), drawn from the routes and the shapes they take and answer."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from gater import __version__
from gater.server.http.answers import ErrorBody
from gater.server.http.documented import HEADERS, JSON, PATH_PARAMETERS, Documented
from gater.wire.errors import ERRORS, HTTP_STATUS

_REF: Final = "#/components/schemas/{name}"
_ERROR: Final = {"$ref": "#/components/responses/Error"}

_DESCRIPTION: Final = """Append, read and follow event streams.

Every failure is answered `{"error": {"code", "message", "details"}}`; programs look at `code`. Names in a path are
percent-encoded; `.` and `..` cannot stand there. The same operations, faster, are offered over a WebSocket at `/rpc`,
which Gater's client speaks.
"""


def openapi_document(routes: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """The description of these routes."""
    handlers = [route for route in routes if "documented" in route.opt]
    shapes = [shape for route in handlers for shape in (_facts(route).body, _facts(route).answer) if shape is not None]
    schemas, components = msgspec.json.schema_components([*shapes, ErrorBody], ref_template=_REF)
    found = dict(zip(map(repr, [*shapes, ErrorBody]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in handlers:
        for path in sorted(route.paths):
            methods = paths.setdefault(path.replace(":str}", "}"), {})
            for method in route.http_methods:
                methods[method.lower()] = _operation(route, path, found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gater", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "security": [{}, {"token": []}],
        "components": {
            "schemas": components,
            "responses": {"Error": _error_response(found[repr(ErrorBody)])},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _facts(route: HTTPRouteHandler) -> Documented:
    facts: Documented = route.opt["documented"]
    return facts


def _operation(route: HTTPRouteHandler, path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    facts = _facts(route)
    summary, _, description = (inspect.getdoc(route.fn) or "").partition("\n")
    operation: dict[str, Any] = {
        "operationId": route.handler_name,
        "tags": list(route.tags or ()),
        "summary": summary.rstrip("."),
        "parameters": [*_path_parameters(path), *_query_parameters(facts), *_header_parameters(facts)],
        "responses": {str(facts.status): _response(facts, schemas), "default": _ERROR},
    }
    if description.strip():
        operation["description"] = description.strip()
    if facts.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {facts.body_type: {"schema": schemas[repr(facts.body)]}},
        }
    if facts.open:
        operation["security"] = []
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:].partition(":")[0] for part in path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name][0],
            "schema": PATH_PARAMETERS[name][1],
        }
        for name in names
    ]


def _query_parameters(facts: Documented) -> list[dict[str, Any]]:
    schema = msgspec.json.schema(facts.query)
    properties = schema["$defs"][facts.query.__name__]["properties"]
    needed = schema["$defs"][facts.query.__name__].get("required", ())
    return [_query_parameter(name, dict(about), name in needed) for name, about in properties.items()]


def _query_parameter(name: str, schema: dict[str, Any], needed: bool) -> dict[str, Any]:
    """A field of a query; that it may be left out is said by `required`, so null is not among its values."""
    if "anyOf" in schema:
        (schema["type"],) = (one["type"] for one in schema.pop("anyOf") if one.get("type") != "null")
    if schema.get("default", 0) is None:
        del schema["default"]
    about = schema.pop("description")
    return {"name": name, "in": "query", "required": needed, "description": about, "schema": schema}


def _header_parameters(facts: Documented) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": HEADERS[name][0], "schema": HEADERS[name][1]}
        for name in facts.headers
    ]


def _response(facts: Documented, schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if facts.answer is not None:
        content[JSON] = {"schema": schemas[repr(facts.answer)]}
    for media_type in facts.other_types:
        content[media_type] = {"schema": {"type": "string"}}
    doc = inspect.getdoc(facts.answer) if facts.answer is not None else None
    response: dict[str, Any] = {"description": doc or ("Done." if not content else "The content.")}
    if content:
        response["content"] = content
    return response


def _error_response(schema: dict[str, Any]) -> dict[str, Any]:
    rows = "\n".join(f"- `{code}` ({HTTP_STATUS[error]})" for code, error in ERRORS.items())
    return {
        "description": f"What failed, by its code (and status):\n\n{rows}",
        "content": {JSON: {"schema": schema}},
    }
