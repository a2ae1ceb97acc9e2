"""The paths of the API, and which paths are none."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from gater.model.errors import GaterError, InvalidArgumentError, NotFoundError

STORES: Final = "/v1/stores"
STORE: Final = f"{STORES}/{{store:str}}"
STREAMS: Final = f"{STORE}/streams"
STREAM: Final = f"{STREAMS}/{{stream_id:str}}"
SNAPSHOTS: Final = f"{STORE}/snapshots"
SNAPSHOT: Final = f"{SNAPSHOTS}/{{source_uuid:str}}/{{stream_uuid:str}}"
SNAPSHOT_VERSION: Final = f"{SNAPSHOT}/{{version:str}}"
SUBSCRIPTIONS: Final = f"{STORE}/subscriptions"
SUBSCRIPTION: Final = f"{SUBSCRIPTIONS}/{{name:str}}"
PARKED: Final = f"{SUBSCRIPTION}/parked"
PUBSUB: Final = "/v1/pubsub"
INSTANCE: Final = f"{PUBSUB}/{{instance:str}}"
NODE: Final = "/v1/node"
HEALTH: Final = "/health"

_DOTS: Final = (".", "..")
_WITHOUT_DOTS: Final = re.compile(r"(?:/[^/.%][^/]*)+").fullmatch
"""Most paths: no segment is empty, and none begins with what may be a dot."""


def wrong_path(path: str) -> GaterError | None:
    """The reason why a path, as it was sent, leads nowhere, whatever the routes are; None for any other.

    Clients and proxies take `.` and `..` out of a path, written as `%2E` too, and some join empty segments: whatever
    would become another path that way is no path.
    """
    if path == "/" or _WITHOUT_DOTS(path):
        return None
    segments = path.split("/")[1:]
    if "" in segments:
        return NotFoundError("path", path)
    if any(unquote(segment) in _DOTS for segment in segments):
        reason = "without the names . and .., which clients and proxies take out of a path; use RPC or a body for them"
        return InvalidArgumentError("path", reason)
    return None
