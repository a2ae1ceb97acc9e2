"""Snapshots: states of a source at a version of a stream, kept beside the events."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from gater.model.errors import InvalidArgumentError, ValidationError
from gater.model.events import EVENT_WEIGHT, JSON, LATEST_EPOCH, decode_payload, encode_json, encode_payload, utc_text
from gater.model.expected_version import LARGEST_VERSION
from gater.model.identifiers import check_name
from gater.model.json_rules import decode_json

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = frozenset(
    {"source_uuid", "source_version", "source_type", "data", "metadata", "content_type", "created_at", "created_epoch"}
)


class Snapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A snapshot as it is stored, under its key of source, stream and version."""

    source_uuid: str
    stream_uuid: str
    version: int
    content_type: str
    raw_data: bytes
    raw_metadata: bytes | None
    source_type: str
    source_version: int
    created_epoch: int
    """When it was made: milliseconds since 1970, UTC."""

    @property
    def data(self) -> Any:
        """The state: decoded when it is JSON, bytes otherwise."""
        return decode_payload(self.raw_data, self.content_type)

    @property
    def metadata(self) -> Any:
        """The metadata; empty when none was given."""
        return {} if self.raw_metadata is None else decode_json(self.raw_metadata, "metadata")

    @property
    def created_at(self) -> datetime:
        """When it was made, UTC."""
        return _EPOCH + timedelta(milliseconds=self.created_epoch)

    def to_dict(self) -> dict[str, Any]:
        """The snapshot as JSON shows it, in plain values: binary data as base64 text, `json.dumps` takes it.

        Raises ValidationError for one of an old file that cannot be decoded.
        """
        return {
            "source_uuid": self.source_uuid,
            "stream_uuid": self.stream_uuid,
            "version": self.version,
            "source_type": self.source_type,
            "source_version": self.source_version,
            "data": self.data if self.content_type == JSON else b64encode(self.raw_data).decode(),
            "content_type": self.content_type,
            "metadata": self.metadata,
            "created_at": utc_text(self.created_at),
            "created_epoch": self.created_epoch,
        }


class EncodedSnapshot(Snapshot, frozen=True, array_like=True, gc=False):
    """A snapshot whose data and metadata were made or checked in this process, as an EncodedEvent's are."""


def snapshot_bytes(row: Sequence[Any]) -> int:
    """Weight of a snapshot, whose fields come in the order of Snapshot, wherever bytes are bounded."""
    source, stream, _, content_type, data, metadata, source_type, _, _ = row
    names = len(source) + len(stream) + len(content_type) + len(source_type)
    return EVENT_WEIGHT + names + len(data) + len(metadata or b"")


def check_snapshot_version(value: Any) -> int:
    """The version, if it is a whole number, 0 or more."""
    if type(value) is not int or not 0 <= value <= LARGEST_VERSION:
        raise InvalidArgumentError("version", f"a whole number, 0 or more, not {value!r}")
    return value


def check_snapshot_numbers(source_version: Any, created_epoch: Any) -> None:
    """Raises ValidationError for a source version or a time (milliseconds since 1970) that cannot be."""
    if type(source_version) is not int or not 0 <= source_version <= LARGEST_VERSION:
        raise ValidationError("source_version", f"a whole number, 0 or more, not {source_version!r}")
    if type(created_epoch) is not int or not 0 <= created_epoch <= LATEST_EPOCH // 1_000:
        raise ValidationError("created_epoch", f"milliseconds since 1970, up to the year 9999, not {created_epoch!r}")


def new_snapshot(
    source_uuid: str, stream_uuid: str, version: int, record: Mapping[str, Any], now_epoch_ms: int
) -> Snapshot:
    """The snapshot that keeps `record` under its key.

    The record has the fields of a snapshot record, all optional but `data`; its `source_uuid` and `source_version`
    are independent of the key.
    """
    if not isinstance(record, Mapping):
        raise ValidationError("snapshot_record", f"a mapping with data, not {type(record).__name__}")
    unknown = set(record) - _FIELDS
    if unknown:
        raise ValidationError(str(sorted(map(str, unknown))[0]), "a snapshot record has no such field")
    if "data" not in record:
        raise ValidationError("data", "missing")
    data, content_type = encode_payload(record["data"], record.get("content_type"), "data")
    metadata = record.get("metadata")
    source_type = record.get("source_type") or ""
    if not isinstance(source_type, str):
        raise ValidationError("source_type", "text")
    source_version = version if record.get("source_version") is None else record["source_version"]
    created_epoch = _created_epoch(record, now_epoch_ms)
    check_snapshot_version(version)
    check_snapshot_numbers(source_version, created_epoch)
    return EncodedSnapshot(
        check_name(source_uuid, "source_uuid"),
        check_name(stream_uuid, "stream_uuid"),
        version,
        content_type,
        data,
        None if metadata is None else encode_json(metadata, "metadata"),
        source_type,
        source_version,
        created_epoch,
    )


def _created_epoch(record: Mapping[str, Any], now_epoch_ms: int) -> Any:
    created_at = record.get("created_at")
    if isinstance(created_at, str):
        try:
            created_at = datetime.fromisoformat(created_at)
        except ValueError:
            raise ValidationError("created_at", "a date and time (ISO 8601)") from None
    if isinstance(created_at, datetime):
        aware = created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(milliseconds=1)
    if created_at is not None:
        raise ValidationError("created_at", "a date and time (ISO 8601)")
    return now_epoch_ms if record.get("created_epoch") is None else record["created_epoch"]
