"""What a route takes from a request: names in the path, a query, a body, the expected version, and who asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
from litestar import Request

from gater.gateway.witness import source
from gater.model.errors import (
    GaterError,
    InvalidArgumentError,
    InvalidCountError,
    InvalidStartVersionError,
    RequestTooLargeError,
)
from gater.model.expected_version import ANY, WORDS, parse_expected_version
from gater.server.http.bodies import decoded
from gater.server.service import Access, Service

AnyRequest = Request[Any, Any, Any]
Query = TypeVar("Query", bound=msgspec.Struct)
Body = TypeVar("Body")

EXPECTED_VERSION_HEADER: Final = "gater-expected-version"
MOST_QUERY_FIELDS: Final = 20

_HEADERS: Final = "gater.headers"
"""Where a request keeps its decoded headers."""
_QUERY_ERRORS: Final[dict[str, type[GaterError]]] = {
    "start_version": InvalidStartVersionError,
    "count": InvalidCountError,
    "limit": InvalidCountError,
}


def service_of(request: AnyRequest) -> Service:
    """The service that the request came to."""
    service: Service = request.scope["litestar_app"].state["service"]
    return service


def access_of(request: AnyRequest) -> Access:
    """What the sender of the request can use; raises UnauthenticatedError or PermissionDeniedError.

    From here on the request is known to come from the sender's address.
    """
    client = request.scope["client"]
    source.set(client[0] if client else None)
    return service_of(request).access(headers_of(request))


def headers_of(request: AnyRequest) -> dict[str, str]:
    """The headers by their names in lower case; of a repeated one, the last."""
    scope: Any = request.scope
    headers: dict[str, str] | None = scope.get(_HEADERS)
    if headers is None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        scope[_HEADERS] = headers
    return headers


def accepts(request: AnyRequest, media_type: str) -> bool:
    """Whether the request asks for this media type by name."""
    return media_type in headers_of(request).get("accept", "")


def path_text(request: AnyRequest, name: str) -> str:
    """A part of the path, decoded; it may hold a slash that was sent as %2F."""
    try:
        return unquote(request.scope["path_params"][name], errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgumentError(name, "percent-encoded UTF-8") from None


def path_number(request: AnyRequest, name: str) -> int:
    """A part of the path that is a whole number, 0 or more."""
    text = path_text(request, name)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidArgumentError(name, f"a whole number, 0 or more, not {text!r}")
    return int(text)


def query(request: AnyRequest, model: type[Query]) -> Query:
    """The query as the model says; a field that it does not know, or that comes twice, is refused."""
    raw = request.scope["query_string"]
    if not raw:
        return model()
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_QUERY_FIELDS
        )
    except ValueError:
        raise InvalidArgumentError("query", "percent-encoded UTF-8, few fields") from None
    values = dict(pairs)
    known = {field.encode_name: field for field in msgspec.structs.fields(model)}
    if len(values) < len(pairs):
        raise InvalidArgumentError("query", "each field once")
    for name in values:
        if name not in known:
            raise InvalidArgumentError(name, f"not a field of this query: {', '.join(known) or 'it has none'}")
    return model(**{known[name].name: _converted(name, text, known[name].type) for name, text in values.items()})


def _converted(name: str, text: str, kind: Any) -> Any:
    try:
        value = msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong_field(name, text, str(error)) from None
    if value is None:  # msgspec reads so the text "null"
        raise _wrong_field(name, text, "null is no value; leave it out")
    return value


def _wrong_field(name: str, text: str, reason: str) -> GaterError:
    return _QUERY_ERRORS[name](text) if name in _QUERY_ERRORS else InvalidArgumentError(name, reason)


def expected_version(request: AnyRequest, in_query: str | None) -> int:
    """The expected version of the header or of the query: a version or a word; ANY when neither is there."""
    in_header = headers_of(request).get(EXPECTED_VERSION_HEADER)
    if in_header is not None and in_query is not None and in_header.strip() != in_query.strip():
        raise InvalidArgumentError("expected_version", "the same in the header and in the query")
    text = in_header if in_header is not None else in_query
    return ANY if text is None else parse_version_text(text.strip())


def parse_version_text(text: str) -> int:
    """An expected version written as a number or as a word."""
    digits = text.removeprefix("-")
    if text not in WORDS and digits.isascii() and digits.isdigit() and len(digits) < 20:
        return parse_expected_version(int(text))
    return parse_expected_version(text)


async def json_body(request: AnyRequest, decode: Callable[[bytes], Body]) -> Body:
    """The body as `decode` reads it; ValidationError when it is not JSON of that shape."""
    return decoded(await read_body(request), decode)


async def read_body(request: AnyRequest) -> bytes:
    """The whole body; RequestTooLargeError as soon as it is larger than the limit."""
    limit = service_of(request).limits.max_request_bytes
    _check_declared_size(request, limit)
    message: Any = await request.receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limit:
            raise RequestTooLargeError(len(body), limit)
        return body
    parts = bytearray()
    held = service_of(request).held_bytes
    counted = 0
    try:
        async for part in _parts(request, message):
            if len(parts) + len(part) > limit:
                raise RequestTooLargeError(len(parts) + len(part), limit)
            held.hold(len(part))
            counted += len(part)
            parts += part
        return bytes(parts)
    finally:
        held.let_go(counted)


def body_parts(request: AnyRequest) -> AsyncGenerator[bytes, None]:
    """The body, part by part as it comes in, of any length."""
    return _parts(request, None)


async def _parts(request: AnyRequest, first: Any) -> AsyncGenerator[bytes, None]:
    message = first
    while True:
        if message is None:
            message = await request.receive()
        if message["type"] != "http.request":
            raise InvalidArgumentError("body", "whole: the connection was closed in the middle of it")
        yield message["body"]
        if not message.get("more_body"):
            return
        message = None


def _check_declared_size(request: AnyRequest, limit: int) -> None:
    declared = headers_of(request).get("content-length", "")
    if declared.isdigit() and len(declared) < 20 and int(declared) > limit:
        raise RequestTooLargeError(int(declared), limit)
