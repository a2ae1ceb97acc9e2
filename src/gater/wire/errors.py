"""The one table of failures: error class <-> code <-> HTTP status, and errors as they travel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gater.model import errors

HTTP_STATUS: Final[dict[type[errors.GaterError], int]] = {
    errors.InvalidArgumentError: 400,
    errors.InvalidStartVersionError: 400,
    errors.InvalidCountError: 400,
    errors.ValidationError: 400,
    errors.EventTooLargeError: 413,
    errors.RequestTooLargeError: 413,
    errors.WrongContextError: 400,
    errors.ApiClosedError: 400,
    errors.WrongExpectedVersionError: 409,
    errors.DuplicateEventError: 409,
    errors.AlreadyExistsError: 409,
    errors.StreamDeletedError: 410,
    errors.HistoryChangedError: 409,
    errors.NotFoundError: 404,
    errors.StoreNotFoundError: 404,
    errors.SubscriptionNotFoundError: 404,
    errors.UnauthenticatedError: 401,
    errors.PermissionDeniedError: 403,
    errors.InvalidSignatureError: 400,
    errors.NoSecretConfiguredError: 400,
    errors.UnsecuredMessageError: 400,
    errors.InvalidFormatError: 400,
    errors.UnknownInstanceError: 400,
    errors.NoSecretError: 400,
    errors.MessageExpiredError: 400,
    errors.MessageReplayedError: 400,
    errors.NoWorkersError: 503,
    errors.RequestTimeoutError: 504,
    errors.OverloadedError: 503,
    errors.StoreUnavailableError: 503,
    errors.MisconfiguredError: 500,
    errors.MissingExtraError: 501,
    errors.StoreCorruptError: 500,
    errors.ReplicaDivergedError: 500,
    errors.InternalError: 500,
}
"""Every error that is raised, with the status it has over HTTP."""

ERRORS: Final[dict[str, type[errors.GaterError]]] = {error.code: error for error in HTTP_STATUS}
"""Every error that is raised, by its code."""

_UNKNOWN_STATUS: Final = 500
_DEEPEST: Final = 4
"""Levels of lists and maps that a detail keeps; what lies deeper travels as text."""
_LARGEST: Final = 1 << 63
"""One more than the largest whole number that msgpack readers agree on."""


def http_status(error: errors.GaterError) -> int:
    """The HTTP status of an error; 500 for a code that is not in the table."""
    known = ERRORS.get(error.code)
    return _UNKNOWN_STATUS if known is None else HTTP_STATUS[known]


def to_wire(error: errors.GaterError) -> tuple[str, str, dict[str, Any]]:
    """The error as (code, message, details), all of it encodable as msgpack and as JSON."""
    details = {_text(name): _plain(value, _DEEPEST) for name, value in error.details.items()}
    return error.code, _text(error.message), details


def from_wire(code: str, message: str, details: Mapping[str, Any]) -> errors.GaterError:
    """The error that `to_wire` was given: same class, message and fields.

    A code that this version does not know gives a GaterError with that code.
    """
    error = ERRORS.get(code, errors.GaterError)(message=message)
    error.details.update(details)
    error.__dict__["code"] = code
    return error


def error_body(error: errors.GaterError) -> dict[str, dict[str, Any]]:
    """The error as HTTP shows it: `{"error": {"code", "message", "details"}}`."""
    code, message, details = to_wire(error)
    return {"error": {"code": code, "message": message, "details": details}}


def _plain(value: Any, depth: int) -> Any:
    """The value if it is plain data within the range of msgpack, otherwise its text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else hex(value)
    if isinstance(value, str):
        return _text(value)
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth - 1) for item in value]
    if depth and isinstance(value, Mapping):
        return {_text(key): _plain(item, depth - 1) for key, item in value.items()}
    return _text(value)


def _text(value: Any) -> str:
    """The value as text that UTF-8 can encode."""
    return str(value).encode(errors="backslashreplace").decode()
