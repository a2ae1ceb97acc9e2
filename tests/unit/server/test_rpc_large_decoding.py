"""Large requests over RPC: whatever takes long is done where they are read, not where they are carried out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater.api.operation import Operation
from gater.api.operations import RecordSnapshotOperation
from gater.api.pubsub_operations import CheckedPublish, Publish
from gater.gateway import admission
from gater.gateway.admission import admit_snapshot
from gater.model.errors import RequestTooLargeError, ValidationError
from gater.model.events import JSON
from gater.model.limits import MOST_MESSAGE_VALUES, Limits
from gater.model.snapshots import Snapshot
from gater.server import rpc_large_decoding
from gater.server.large_requests import LARGE_BYTES
from gater.server.rpc_large_decoding import Outcome, read_large_message
from gater.wire.frames import Request


def read(operation: Operation[Any]) -> Outcome:
    """What becomes of an operation that is large."""
    arguments = msgspec.Raw(msgspec.msgpack.encode(operation))
    message = msgspec.msgpack.encode([Request(7, operation.name, arguments)])
    assert len(message) > LARGE_BYTES
    return read_large_message(message, Limits()).outcomes[7]


def snapshot(data: bytes, metadata: bytes | None = None) -> RecordSnapshotOperation:
    return RecordSnapshotOperation("s", Snapshot("x", "y", 3, JSON, data, metadata, "T", 2, 1))


LARGE = b"[" + b"1e100," * 100_000 + b"1]"


def test_a_large_snapshot_is_checked_where_it_is_read_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = snapshot(LARGE, b"{}")
    operation = read(sent)
    assert isinstance(operation, RecordSnapshotOperation)
    assert msgspec.structs.astuple(operation.snapshot) == msgspec.structs.astuple(sent.snapshot)

    def looked(*_: object) -> None:
        raise AssertionError("looked at again")

    monkeypatch.setattr(admission, "check_json", looked)
    assert admit_snapshot(operation.snapshot, Limits()) > len(LARGE)


@pytest.mark.parametrize(("data", "metadata"), [(LARGE[:-1], None), (b"[1e400," + LARGE[1:], None), (LARGE, b"{1}")])
def test_a_large_snapshot_that_is_no_json_is_refused(data: bytes, metadata: bytes | None) -> None:
    assert isinstance(read(snapshot(data, metadata)), ValidationError)


def test_a_large_message_is_checked_where_it_is_read() -> None:
    body = {"text": "x" * LARGE_BYTES}
    assert read(Publish("events", "t", body)) == CheckedPublish("events", "t", body)
    assert isinstance(read(Publish("events", "t", [body, float("inf")])), ValidationError)


@pytest.mark.parametrize("more", [0, 1, 20, 1_000_000])
def test_a_message_of_many_values_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    body = ["x" * LARGE_BYTES] + [None] * (MOST_MESSAGE_VALUES - 2 + more)
    if more > 8:
        monkeypatch.setattr(rpc_large_decoding, "_decode_publish", None)
    outcome = read(Publish("events", "t", body))
    assert isinstance(outcome, RequestTooLargeError if more else CheckedPublish)
    if more:
        assert outcome.details["what"] == "values"  # type: ignore[union-attr]
