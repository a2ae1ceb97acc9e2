"""The paths of the API."""

from __future__ import annotations

from typing import Final

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
