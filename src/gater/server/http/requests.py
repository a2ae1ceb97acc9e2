"""Parts of a request: names in the path, the query, the expected version, the caller."""

from __future__ import annotations

from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
from litestar import Request

from gater.model.errors import (
    GaterError,
    InvalidArgumentError,
    InvalidCountError,
    InvalidStartVersionError,
)
from gater.model.expected_version import ANY, WORDS, parse_expected_version
from gater.server.http.answers import ADMIT
from gater.server.service import Access, Service

AnyRequest = Request[Any, Any, Any]
Query = TypeVar("Query", bound=msgspec.Struct)

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
    """The API for the sender of the request; raises UnauthenticatedError or PermissionDeniedError."""
    access = service_of(request).access(headers_of(request), address_of(request))
    request.scope["state"][ADMIT]()
    return access


def address_of(request: AnyRequest) -> str | None:
    """The address that the request came from."""
    client = request.scope["client"]
    return client[0] if client else None


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
        return _fitting([], model) if model.__struct_fields__ else model()
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_QUERY_FIELDS
        )
    except ValueError:
        raise InvalidArgumentError("query", "percent-encoded UTF-8, few fields") from None
    return _fitting(pairs, model)


def _fitting(pairs: list[tuple[str, str]], model: type[Query]) -> Query:
    values = dict(pairs)
    known = {field.encode_name: field for field in msgspec.structs.fields(model)}
    if len(values) < len(pairs):
        raise InvalidArgumentError("query", "each field once")
    for name in values:
        if name not in known:
            raise InvalidArgumentError(name, f"not a field of this query: {', '.join(known) or 'it has none'}")
    for name, field in known.items():
        if field.required and name not in values:
            raise InvalidArgumentError(name, "a field that this query needs")
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


def check_confirmed(name: str, confirm: str) -> None:
    """Return if the query names once more what the path names.

    A client or a proxy that resolves `..` in a path may arrive at another route than was meant, never with its name in
    `confirm` as well.
    """
    if confirm != name:
        raise InvalidArgumentError("confirm", f"the name that the path ends with, {name!r}, not {confirm!r}")
