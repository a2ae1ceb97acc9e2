"""Events as lines of JSON: what `export` writes, and what `import` and `append` read.

An exported line holds `stream_id, version, event_id, event_type`, then `data` (a JSON value) or `content_type` and
`data_base64` (any other bytes, and JSON that would not fit a line), `metadata` (if there is any) and `created_epoch`
(microseconds). Payload bytes pass through unchanged, so that a line that was imported is exported again as it was.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec

from gater.model.errors import ValidationError
from gater.model.events import BINARY, JSON, Event

_encode = msgspec.json.Encoder().encode


class ExportedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of an export; `position` and `created` may be there and mean nothing."""

    stream_id: str
    version: int
    event_id: str
    event_type: str
    created_epoch: int
    content_type: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | msgspec.UnsetType = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    position: int | None = None
    created: str | None = None


class NewLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of events to append."""

    event_type: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | msgspec.UnsetType = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    event_id: str | None = None
    content_type: str | None = None


_decode_exported: Final = msgspec.json.Decoder(ExportedLine).decode
_decode_new: Final = msgspec.json.Decoder(NewLine).decode


def export_line(event: Event) -> bytes:
    """The event as a line of an export, without the line end."""
    line: dict[str, Any] = {
        "stream_id": event.stream_id,
        "version": event.version,
        "event_id": str(event.event_id),
        "event_type": event.event_type,
    }
    if event.content_type == JSON and _fits_a_line(event.raw_data):
        line["data"] = msgspec.Raw(event.raw_data)
    else:
        line["content_type"] = event.content_type
        line["data_base64"] = base64.b64encode(event.raw_data).decode()
    if event.raw_metadata is not None:
        line["metadata"] = msgspec.Raw(_on_one_line(event.raw_metadata))
    line["created_epoch"] = event.created_epoch
    return _encode(line)


def imported_event(number: int, line: bytes) -> dict[str, Any]:
    """The mapping that `import_events` takes, from line `number` of an export; raises ValidationError naming it."""
    try:
        read = _decode_exported(line)
        return {
            "stream_id": read.stream_id,
            "version": read.version,
            "event_id": read.event_id,
            "event_type": read.event_type,
            "created_epoch": read.created_epoch,
            **_payload(read),
        }
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _bad_line(number, error) from None


def new_event(number: int, line: bytes) -> dict[str, Any]:
    """The mapping that `append_events` takes, from line `number` of an input; raises ValidationError naming it."""
    try:
        read = _decode_new(line)
        return {"event_type": read.event_type, "event_id": read.event_id, **_payload(read)}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _bad_line(number, error) from None


def _payload(line: ExportedLine | NewLine) -> dict[str, Any]:
    """Data as bytes with their content type, and metadata as bytes."""
    if line.data is not msgspec.UNSET and line.data_base64 is not msgspec.UNSET:
        raise ValueError("data and data_base64 are both there")
    if line.data_base64 is not msgspec.UNSET:
        data, content_type = _from_base64(line.data_base64), line.content_type or BINARY
    elif line.content_type not in (None, JSON):
        raise ValueError(f"content_type {line.content_type} needs data_base64")
    else:
        data, content_type = b"null" if line.data is msgspec.UNSET else bytes(line.data), JSON
    return {"data": data, "content_type": content_type, "metadata": _metadata(line)}


def _metadata(line: ExportedLine | NewLine) -> bytes | None:
    raw = b"null" if line.metadata is msgspec.UNSET else bytes(line.metadata)
    if raw == b"null":
        return None
    if not raw.startswith(b"{"):
        raise ValueError("metadata is not a JSON object")
    return raw


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"data_base64 is not base64: {error}") from None


def _fits_a_line(raw: bytes) -> bool:
    """Whether JSON bytes survive as a value inside a line: no line end in them, no space around them."""
    return b"\n" not in raw and b"\r" not in raw and raw == raw.strip()


def _on_one_line(raw: bytes) -> bytes:
    return raw if _fits_a_line(raw) else msgspec.json.format(raw, indent=-1)


def _bad_line(number: int, error: Exception) -> ValidationError:
    return ValidationError(f"line {number}", str(error) or type(error).__name__)
