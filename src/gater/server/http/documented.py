"""The description of a route in the API's description beyond its path, method and docstring."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gater.model.identifiers import MAX_ID_BYTES
from gater.pubsub.instances import Instance

JSON: Final = "application/json"

_VISIBLE: Final = r"[^\u0000-\u001f\u007f-\u009f]"

NAME_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES, "pattern": f"^{_VISIBLE}+$"}
"""A name: up to 255 bytes of UTF-8 (a schema can only count characters)."""
STREAM_SCHEMA: Final = {**NAME_SCHEMA, "pattern": f"^(?![$]){_VISIBLE}+$"}
STORE_SCHEMA: Final = {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"}
NUMBER_SCHEMA: Final = {"type": "integer", "minimum": 0, "maximum": (1 << 63) - 1}

INSTANCE_SCHEMA: Final = {"enum": [name for instance in Instance for name in (instance.value, instance.full_name)]}

_NO_DOTS: Final = "(?![.]{1,2}$)"

PATH_NAME_SCHEMA: Final = {**NAME_SCHEMA, "pattern": f"^{_NO_DOTS}{_VISIBLE}+$"}
"""A name that stands in a path: clients and proxies take `.` and `..` out of it."""
PATH_STREAM_SCHEMA: Final = {**NAME_SCHEMA, "pattern": f"^(?![$]){_NO_DOTS}{_VISIBLE}+$"}

PATH_PARAMETERS: Final = {
    "store": ("Name of the store.", STORE_SCHEMA),
    "stream_id": ("Id of the stream; a slash in it is sent as %2F.", PATH_STREAM_SCHEMA),
    "source_uuid": ("Source of the snapshot.", PATH_NAME_SCHEMA),
    "stream_uuid": ("Stream of the snapshot.", PATH_NAME_SCHEMA),
    "version": ("Version of the snapshot.", NUMBER_SCHEMA),
    "name": ("Name of the durable subscription.", PATH_NAME_SCHEMA),
    "instance": ("Instance of pub/sub, by its short or full name.", INSTANCE_SCHEMA),
}
"""What each part of a path is: a line for people, and its shape."""


def about(doc: str, *, minimum: int | None = None) -> msgspec.Meta:
    """The meaning of a field of a query. A minimum is only described here: the API judges it, with its own errors."""
    if minimum is None:
        return msgspec.Meta(description=doc)
    return msgspec.Meta(description=doc, extra_json_schema={**NUMBER_SCHEMA, "minimum": minimum})


TITLES: Final = {
    "stores": "Stores",
    "streams": "Streams",
    "events": "Events",
    "snapshots": "Snapshots",
    "subscriptions": "Subscriptions",
    "pubsub": "Pub/sub",
    "health": "Health",
    "node": "The node itself",
}
"""Titles of the sections that routes are shown in, by their tag."""


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


VERSION_TEXT_SCHEMA: Final = {"type": "string", "pattern": "^(no_stream|any|stream_exists|-[124]|[0-9]{1,18})$"}
VERSION_TEXT: Final = "A version (0 or more), no_stream, any or stream_exists (or -1, -2, -4)."

HEADERS: Final = {
    "Gater-Expected-Version": (VERSION_TEXT, VERSION_TEXT_SCHEMA),
    "Last-Event-ID": (
        "Go on behind this message: the `id` of the last one received; takes the place of `start_from`.",
        {"type": "string", "pattern": "^(-1|[0-9]{1,18})(@[0-9a-f]*)?$"},
    ),
}
"""What each request header is: a line for people, and its shape."""


def documented(**facts: Any) -> dict[str, Any]:
    """The `opt` of a route handler, for the description of the API."""
    return {"documented": Documented(**facts)}
