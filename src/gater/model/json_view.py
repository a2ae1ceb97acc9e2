"""Events, snapshots and parked events as JSON shows them, for an encoder: payloads as they are stored, not decoded."""

from __future__ import annotations

from typing import Any

import msgspec

from gater.model.events import JSON, Event
from gater.model.json_rules import on_one_line
from gater.model.snapshots import Snapshot
from gater.model.subscriptions import ParkedEvent

_encode = msgspec.json.Encoder().encode


def event_view(event: Event) -> dict[str, Any]:
    """The fields of an event; binary data becomes base64 text."""
    return {
        "stream_id": event.stream_id,
        "version": event.version,
        "position": event.position,
        "event_id": str(event.event_id),
        "event_type": event.event_type,
        "data": payload_view(event.raw_data, event.content_type),
        "content_type": event.content_type,
        "metadata": {} if event.raw_metadata is None else msgspec.Raw(event.raw_metadata),
        "created": event.created,
        "created_epoch": event.created_epoch,
    }


def event_line(event: Event) -> bytes:
    """An event as a line of JSON, without the line end."""
    return on_one_line(_encode(event_view(event)))


def snapshot_view(snapshot: Snapshot) -> dict[str, Any]:
    """The fields of a snapshot; binary data becomes base64 text."""
    return {
        "source_uuid": snapshot.source_uuid,
        "stream_uuid": snapshot.stream_uuid,
        "version": snapshot.version,
        "source_type": snapshot.source_type,
        "source_version": snapshot.source_version,
        "data": payload_view(snapshot.raw_data, snapshot.content_type),
        "content_type": snapshot.content_type,
        "metadata": {} if snapshot.raw_metadata is None else msgspec.Raw(snapshot.raw_metadata),
        "created_at": snapshot.created_at,
        "created_epoch": snapshot.created_epoch,
    }


def parked_view(parked: ParkedEvent) -> dict[str, Any]:
    """The fields of a parked event."""
    event = None if parked.event is None else event_view(parked.event)
    return {**msgspec.structs.asdict(parked), "event": event}


def payload_view(raw: bytes, content_type: str) -> msgspec.Raw | bytes:
    """A payload for an encoder: JSON as it is stored; other bytes, which the encoder writes as base64 text."""
    return msgspec.Raw(raw) if content_type == JSON else raw
