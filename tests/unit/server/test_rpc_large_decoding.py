"""Large requests over RPC: whatever takes long is done where they are read, not where they are carried out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater.api.operation import Operation
from gater.api.operations import AppendStreams, ImportPage, RecordSnapshotOperation
from gater.api.pubsub_operations import CheckedPublish, Publish
from gater.gateway import admission
from gater.gateway.admission import admit_append, admit_import, admit_snapshot
from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import InvalidArgumentError, RequestTooLargeError, ValidationError
from gater.model.events import JSON, ImportedEvent, RawEvent
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


EVENTS = tuple([RawEvent(bytes(16), "T", JSON, b"[" + b" " * 90 + b"1]", b"{}") for _ in range(6_000)])
WRITES = tuple([StreamWrite(f"stream-{number}", EVENTS[:2]) for number in range(3_000)])
GUARDS = tuple([StreamGuard(f"guard-{number}", 1) for number in range(9)])
IMPORTED = tuple([ImportedEvent("stream", number, 1, event) for number, event in enumerate(EVENTS)])


@pytest.mark.parametrize(
    "sent",
    [
        AppendStreams("s", (StreamWrite("stream", EVENTS),)),
        AppendStreams("s", WRITES, GUARDS),
        ImportPage("s", IMPORTED),
    ],
    ids=["append", "streams", "import"],
)
def test_large_appends_are_weighed_where_they_are_read_and_nowhere_else(
    sent: AppendStreams | ImportPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = read(sent)
    expected = weigh(sent)
    for name in ("_weigh_append", "_weigh_import", "_weigh_events"):
        monkeypatch.setattr(admission, name, None)
    assert weigh(operation) == expected > LARGE_BYTES


def weigh(operation: Outcome) -> int:
    if isinstance(operation, ImportPage):
        return admit_import(operation.events, Limits())
    assert isinstance(operation, AppendStreams)
    return admit_append(operation.writes, operation.guards, Limits())


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (AppendStreams("s", (StreamWrite("", EVENTS),)), InvalidArgumentError),
        (AppendStreams("s", (StreamWrite("a", EVENTS), StreamWrite("a", ()))), InvalidArgumentError),
        (AppendStreams("s", (StreamWrite("a", EVENTS, -9),)), InvalidArgumentError),
        (ImportPage("s", (*IMPORTED, ImportedEvent("a", -1, 1, EVENTS[0]))), ValidationError),
        (ImportPage("s", (*IMPORTED, ImportedEvent("", 1, 1, EVENTS[0]))), InvalidArgumentError),
    ],
    ids=["stream", "twice", "version", "imported version", "imported stream"],
)
def test_what_is_wrong_with_a_large_append_is_found_where_it_is_read(
    sent: AppendStreams | ImportPage, kind: type[Exception]
) -> None:
    assert isinstance(read(sent), kind)
