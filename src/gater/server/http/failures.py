"""Failures as HTTP answers: `{"error": {"code", "message", "details"}}`, whatever went wrong and wherever."""

from __future__ import annotations

import logging
from typing import Any, Final

from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.exceptions import NotFoundException as NoRouteException
from litestar.response import Response
from litestar.types import ExceptionHandlersMap

from gater.model.errors import GaterError, InternalError, InvalidArgumentError, NotFoundError
from gater.server.http.answers import JSON, encode
from gater.server.http.receiving import BodyTimeout
from gater.server.http.requests import AnyRequest
from gater.wire.errors import error_body, http_status

RETRY_AFTER: Final = "1"
"""Seconds after which a caller may try again what did not get through."""

log = logging.getLogger(__name__)


def failure_headers(error: GaterError) -> dict[str, str]:
    """The headers that go with an error."""
    status = http_status(error)
    if status == 401:
        return {"www-authenticate": "Bearer"}
    if status == 503:
        return {"retry-after": RETRY_AFTER}
    return {}


def failure_answer(
    error: GaterError, status: int | None = None, headers: dict[str, str] | None = None
) -> Response[Any]:
    """The answer to a request that failed."""
    return Response(
        encode(error_body(error)),
        status_code=status or http_status(error),
        media_type=JSON,
        headers={**failure_headers(error), **(headers or {})},
    )


def _refused(request: AnyRequest, error: GaterError) -> Response[Any]:
    if http_status(error) >= 500:
        log.warning("request failed", extra={**_facts(request), "code": error.code, "reason": str(error)})
    return failure_answer(error)


def _late(request: AnyRequest, late: BodyTimeout) -> Response[Any]:
    return failure_answer(late.error, 408)


def _no_route(request: AnyRequest, error: HTTPException) -> Response[Any]:
    return failure_answer(NotFoundError("path", request.scope["path"]))


def _no_method(request: AnyRequest, error: HTTPException) -> Response[Any]:
    allowed = (error.headers or {}).get("allow", "")
    if "GET" in allowed.split(", "):
        allowed += ", HEAD"
    wrong = InvalidArgumentError("method", f"{allowed or 'one of this path'}, not {request.scope['method']}")
    return failure_answer(wrong, 405, {"allow": allowed} if allowed else None)


def _bad_request(request: AnyRequest, error: HTTPException) -> Response[Any]:
    return failure_answer(InvalidArgumentError("request", error.detail))


def _defect(request: AnyRequest, error: Exception) -> Response[Any]:
    log.error("request met a defect", extra=_facts(request), exc_info=error)
    return failure_answer(InternalError())


def _facts(request: AnyRequest) -> dict[str, Any]:
    return {"method": request.scope["method"], "path": request.scope["path"]}


FAILURE_HANDLERS: Final[ExceptionHandlersMap] = {
    GaterError: _refused,
    BodyTimeout: _late,
    NoRouteException: _no_route,
    MethodNotAllowedException: _no_method,
    HTTPException: _bad_request,
    Exception: _defect,
}
