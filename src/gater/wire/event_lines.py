"""Events as lines of JSON: one format for exports, imports, HTTP, and what commands read and print.

A line has the fields of an event as JSON shows them: `data` is the JSON value, or base64 text when `content_type` is
another than `application/json`. An export leaves out `position` and `created`, which an import gives anew or finds in
`created_epoch`, and metadata that is not there; readers take lines with and without them. Payload bytes pass through
unchanged; where JSON holds line breaks, the space between all values of its line is taken out.

Lines of earlier exports have `data_base64` in place of `data`: for binary payloads, and for JSON that holds line
breaks. They are read as well.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any, Final

import msgspec

from gater.model.errors import ValidationError
from gater.model.events import BINARY, JSON, Event
from gater.model.json_rules import on_one_line
from gater.model.json_view import payload_view

Field = msgspec.Raw | msgspec.UnsetType
Text = str | msgspec.UnsetType

_encode = msgspec.json.Encoder().encode
_NULL: Final = b"null"


class ExportedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of an export; `position`, `created`, and the `attempt` of a delivery, may be there and mean nothing."""

    stream_id: str
    version: int
    event_id: str
    event_type: str
    created_epoch: int
    content_type: str | None = None
    data: Field = msgspec.UNSET
    data_base64: Text = msgspec.UNSET
    metadata: Field = msgspec.UNSET
    position: int | None = None
    created: str | None = None
    attempt: int | None = None


class NewLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of events to append."""

    event_type: str
    data: Field = msgspec.UNSET
    data_base64: Text = msgspec.UNSET
    metadata: Field = msgspec.UNSET
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
        "data": payload_view(event.raw_data, event.content_type),
        "content_type": event.content_type,
    }
    if event.raw_metadata is not None:
        line["metadata"] = msgspec.Raw(event.raw_metadata)
    line["created_epoch"] = event.created_epoch
    return on_one_line(_encode(line))


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


def line_payload(data: Field, content_type: str | None, data_base64: Text = msgspec.UNSET) -> tuple[bytes, str]:
    """The bytes of a line's payload and its content type; raises ValueError for what is none."""
    if data_base64 is not msgspec.UNSET:
        if data is not msgspec.UNSET:
            raise ValueError("data and data_base64 are both there")
        return _from_base64(data_base64), content_type or BINARY
    raw = _NULL if data is msgspec.UNSET else bytes(data)
    if content_type is None or content_type == JSON:
        return raw, JSON
    try:
        text = msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        raise ValueError(f"data is base64 text, for the content type is not {JSON}") from None
    return _from_base64(text), content_type


def line_metadata(metadata: Field) -> bytes | None:
    """The bytes of a line's metadata, None when there is none; raises ValueError for what is no JSON object."""
    raw = _NULL if metadata is msgspec.UNSET else bytes(metadata)
    if raw == _NULL:
        return None
    if not raw.startswith(b"{"):
        raise ValueError("metadata is not a JSON object")
    return raw


def _payload(line: ExportedLine | NewLine) -> dict[str, Any]:
    """Data as bytes with their content type, and metadata as bytes."""
    data, content_type = line_payload(line.data, line.content_type, line.data_base64)
    return {"data": data, "content_type": content_type, "metadata": line_metadata(line.metadata)}


def _from_base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the data is not base64: {error}") from None


def _bad_line(number: int, error: Exception) -> ValidationError:
    return ValidationError(f"line {number}", str(error) or type(error).__name__)
