"""What the API's description says of a route beyond its path, method and docstring."""

from __future__ import annotations

from typing import Any, Final

import msgspec

JSON: Final = "application/json"
PATH_PARAMETERS: Final = {
    "store": "Name of the store.",
    "stream_id": "Id of the stream; a slash in it is sent as %2F.",
    "source_uuid": "Source of the snapshot.",
    "stream_uuid": "Stream of the snapshot.",
    "version": "Version of the snapshot.",
}


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query without fields."""


class Documented(msgspec.Struct, frozen=True, kw_only=True):
    """A route as its description shows it."""

    query: type[msgspec.Struct] = NoQuery
    headers: tuple[str, ...] = ()
    """Names of request headers that matter (of HEADERS)."""
    body: Any = None
    body_type: str = JSON
    status: int = 200
    answer: Any = None
    """Type of the JSON answer; None: there is no content, or it is not JSON."""
    other_types: tuple[str, ...] = ()
    """Media types of answers that are not JSON."""
    open: bool = False
    """Whether no token is needed."""


HEADERS: Final = {
    "Gater-Expected-Version": "A version (0 or more), `no_stream`, `any` or `stream_exists` (or -1, -2, -4).",
    "Last-Event-ID": "Go on behind this event: the `id` of the last one received; takes the place of `start_from`.",
}


def documented(**facts: Any) -> dict[str, Any]:
    """What a route handler carries in its `opt`, for the description of the API."""
    return {"documented": Documented(**facts)}
