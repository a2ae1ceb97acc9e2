"""Shapes of answers against what the model shows."""

from __future__ import annotations

import json

import msgspec

from gater.model.commands import WriteResult
from gater.model.events import Event
from gater.model.json_view import event_line, parked_view, snapshot_view
from gater.model.snapshots import Snapshot
from gater.model.stores import VerifyReport
from gater.model.subscriptions import ParkedEvent
from gater.server.http.answers import ShownEvent, ShownSnapshot, Verified, Written, written

EVENT = Event("s", 0, 1, b"0" * 16, "T", "application/json", b'{"a": 1}', None, 1_700_000_000_000_000)
SNAPSHOT = Snapshot("source", "stream", 1, "application/octet-stream", b"\x00", None, "", 1, 0)


def test_described_event_is_the_shown_event() -> None:
    assert tuple(EVENT.to_dict()) == ShownEvent.__struct_fields__


def test_described_snapshot_is_the_shown_snapshot() -> None:
    assert tuple(SNAPSHOT.to_dict()) == ShownSnapshot.__struct_fields__


def test_snapshot_and_parked_event_are_plain_values_as_they_are_shown() -> None:
    parked = ParkedEvent(7, "bad", 3, 5, False, EVENT)
    for shown, view in ((SNAPSHOT.to_dict(), snapshot_view(SNAPSHOT)), (parked.to_dict(), parked_view(parked))):
        assert json.loads(json.dumps(shown)) == json.loads(msgspec.json.encode(view))


def test_described_report_is_the_shown_report() -> None:
    assert set(VerifyReport("s", 0, 0, 0).to_dict()) == set(Verified.__struct_fields__)


def test_described_write_result_has_every_field() -> None:
    assert Written.__struct_fields__ == WriteResult.__struct_fields__
    assert written(WriteResult(3, 7, "fsync")) == Written(3, 7, "fsync")


def test_line_of_an_event_has_no_line_break_of_its_payload() -> None:
    event = msgspec.structs.replace(EVENT, raw_data=b'{\r\n  "text": "two\\nlines",\n  "number": 1.10\n}')
    line = event_line(event)
    assert b"\n" not in line
    assert b"\r" not in line
    assert b'"data":{"text":"two\\nlines","number":1.10}' in line


def test_line_of_an_event_keeps_its_payload_as_it_came() -> None:
    assert b'"data":{"a": 1}' in event_line(EVENT)
