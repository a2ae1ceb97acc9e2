"""What a client of another make may send: operations as values, which no API object has checked."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.api import operations as op
from gater.api.subscription_operations import Ack, Nack, Settle
from gater.gateway.gateway import Gateway
from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import GaterError, RequestTooLargeError
from gater.model.events import JSON, Event, ImportedEvent, RawEvent
from gater.model.limits import MOST_EVENTS, MOST_GUARDS, MOST_SETTLED, MOST_STREAMS, Limits
from gater.model.snapshots import Snapshot
from tests.conftest import run_async
from tests.unit.gateway.calls import answer, in_memory

LIMITS = Limits(max_event_bytes=1_000, max_request_bytes=3_000)


def raw(**changed: Any) -> RawEvent:
    return msgspec.structs.replace(RawEvent(bytes(16), "T", JSON, b"{}"), **changed)


def append(*events: RawEvent, stream: str = "a", expected: int = -2) -> op.AppendStreams:
    return op.AppendStreams("s", (StreamWrite(stream, events, expected),))


def imported(**changed: Any) -> op.ImportPage:
    event = msgspec.structs.replace(ImportedEvent("a", 0, 0, raw()), **changed)
    return op.ImportPage("s", (event,))


def snapshot(**changed: Any) -> op.RecordSnapshotOperation:
    made = Snapshot("x", "y", 0, JSON, b"{}", None, "", 0, 0)
    return op.RecordSnapshotOperation("s", msgspec.structs.replace(made, **changed))


HUGE = (1 << 64) - 1

REFUSED: list[tuple[op.Operation[Any], str]] = [
    (op.AppendStreams("s", ()), "invalid_argument"),
    (op.AppendStreams("s", (StreamWrite("a", ()), StreamWrite("a", ()))), "invalid_argument"),
    (append(raw(), stream=""), "invalid_argument"),
    (append(raw(), stream="$system"), "invalid_argument"),
    (append(raw(), stream="a\x00"), "invalid_argument"),
    (append(raw(), stream="x" * 256), "invalid_argument"),
    (append(stream="$system"), "invalid_argument"),
    (append(raw(), expected=-3), "invalid_argument"),
    (append(raw(), expected=-5), "invalid_argument"),
    (append(raw(), expected=HUGE), "invalid_argument"),
    (append(raw(event_id=b"")), "invalid_argument"),
    (append(raw(event_id=bytes(15))), "invalid_argument"),
    (append(raw(event_id=bytes(17))), "invalid_argument"),
    (append(raw(event_type="")), "invalid_argument"),
    (append(raw(event_type="a\n")), "invalid_argument"),
    (append(raw(content_type="")), "invalid_argument"),
    (append(raw(content_type="x" * 300)), "invalid_argument"),
    (append(raw(data=b"")), "validation_error"),
    (append(raw(data=b"{")), "validation_error"),
    (append(raw(data=b'"\xff"')), "validation_error"),
    (append(raw(data=b"[" * 900)), "validation_error"),
    (append(raw(data=b"{} {}")), "validation_error"),
    (append(raw(metadata=b"")), "validation_error"),
    (append(raw(metadata=b"[]")), "validation_error"),
    (append(raw(metadata=b"null")), "validation_error"),
    (append(raw(metadata=b'{"x":"\xff"}')), "validation_error"),
    (append(raw(content_type="x", data=bytes(1_001))), "event_too_large"),
    (append(raw(content_type="x", data=bytes(990), metadata=b'{"x": 12345}')), "event_too_large"),
    (append(*[raw(content_type="x", data=bytes(1_000)) for _ in range(4)]), "request_too_large"),
    (op.AppendStreams("s", (StreamWrite("a", (raw(),)),), (StreamGuard("", -2),)), "invalid_argument"),
    (op.AppendStreams("s", (StreamWrite("a", (raw(),)),), (StreamGuard("b", -3),)), "invalid_argument"),
    (imported(stream_id="$system"), "invalid_argument"),
    (imported(version=-1), "validation_error"),
    (imported(version=HUGE), "validation_error"),
    (imported(created_epoch=-1), "validation_error"),
    (imported(created_epoch=HUGE), "validation_error"),
    (imported(event=raw(event_id=b"x")), "invalid_argument"),
    (imported(event=raw(data=b"{")), "validation_error"),
    (snapshot(source_uuid=""), "invalid_argument"),
    (snapshot(stream_uuid="\x00"), "invalid_argument"),
    (snapshot(version=-1), "invalid_argument"),
    (snapshot(version=HUGE), "invalid_argument"),
    (snapshot(source_version=HUGE), "validation_error"),
    (snapshot(created_epoch=-1), "validation_error"),
    (snapshot(created_epoch=HUGE), "validation_error"),
    (snapshot(raw_data=b"{"), "validation_error"),
    (snapshot(raw_metadata=b"{"), "validation_error"),
    (snapshot(raw_data=bytes(3_001), content_type="x"), "request_too_large"),
    (op.DeleteSnapshotOperation("s", "x", "y", HUGE), "invalid_argument"),
    (op.ReadSnapshot("s", "x", "y", HUGE), "invalid_argument"),
    (op.ReadSnapshot("s", "x", "y", -1), "invalid_argument"),
    (op.ListSnapshots("s", after=("x", "y", HUGE)), "invalid_argument"),
    (op.ListSnapshots("s", limit=0), "invalid_count"),
    (op.DeleteStreamOperation("s", "$system"), "invalid_argument"),
    (op.DeleteStreamOperation("s", "a", -3), "invalid_argument"),
    (op.TruncateStreamOperation("s", "a", -1), "invalid_start_version"),
    (op.TruncateStreamOperation("s", "a", HUGE), "invalid_start_version"),
    (op.ReadStream("s", "a", -1), "invalid_start_version"),
    (op.ReadStream("s", "a", HUGE), "invalid_start_version"),
    (op.ReadStream("s", "a", 0, 0), "invalid_count"),
    (op.ReadStream("s", "a", 0, HUGE), "invalid_count"),
    (op.ReadAll("s", -1), "invalid_argument"),
    (op.ReadAll("s", HUGE), "invalid_argument"),
    (op.ReadAll("s", None), "invalid_argument"),
    (op.ReadAll("s", HUGE, backward=True), "invalid_argument"),
    (op.ReadAll("s", 0, 0), "invalid_count"),
    (op.GetStreams("s", limit=0), "invalid_count"),
    (op.GetStreams("s", limit=-1), "invalid_count"),
    (op.CreateStore("../up"), "invalid_argument"),
    (op.CreateStore("s"), "already_exists"),
    (op.GetVersion("nowhere", "a"), "store_not_found"),
    (op.RemoveStore("nowhere"), "store_not_found"),
    (op.VerifyStore("nowhere"), "store_not_found"),
    (op.CompactStore("nowhere"), "store_not_found"),
]


@pytest.mark.parametrize(("operation", "code"), REFUSED, ids=lambda value: str(value)[:60])
async def test_it_is_refused_and_nothing_is_changed(operation: op.Operation[Any], code: str) -> None:
    async with in_memory("s", limits=LIMITS) as gateway:
        good = await answer(gateway, append(raw(content_type="x", data=b"\xff")))
        assert [result.version for result in good] == [0]
        with pytest.raises(GaterError) as caught:
            await answer(gateway, operation)
        assert caught.value.code == code, caught.value
        assert await answer(gateway, op.GetVersion("s", "a")) == 0
        assert [status.position for status in gateway.statuses()] == [1]


TOO_MANY: dict[str, op.Operation[Any]] = {
    "events": append(*[raw()] * (MOST_EVENTS + 1)),
    "streams": op.AppendStreams("s", tuple([StreamWrite(f"s{n}", ()) for n in range(MOST_STREAMS + 1)])),
    "guards": op.AppendStreams("s", (StreamWrite("a", ()),), (StreamGuard("b", -2),) * (MOST_GUARDS + 1)),
    "imported events": op.ImportPage("s", (ImportedEvent("a", 0, 0, raw()),) * (MOST_EVENTS + 1)),
    "acknowledgements": Settle("s", "c", (Ack(1),) * (MOST_SETTLED + 1)),
    "refused deliveries": Settle("s", "c", (), (Nack(1),) * (MOST_SETTLED + 1)),
}


@pytest.mark.parametrize("what", TOO_MANY)
async def test_what_a_request_holds_is_counted_before_it_is_looked_at(what: str) -> None:
    async with in_memory("s", limits=LIMITS) as gateway:
        with pytest.raises(RequestTooLargeError) as caught:
            await answer(gateway, TOO_MANY[what])
        assert caught.value.details["what"] == what.removeprefix("imported ")


async def test_what_one_caller_sends_harms_no_other() -> None:
    """All of it in one turn, among appends that are good: each gets its own answer."""
    async with in_memory("s", limits=LIMITS) as gateway:
        writes = [op for op, _ in REFUSED if op.name in ("append_streams", "import_events", "record_snapshot")]
        calls = []
        for number, bad in enumerate(writes):
            good = append(raw(event_id=number.to_bytes(16)), stream="good", expected=number - 1)
            calls += [answer(gateway, good), answer(gateway, bad)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [outcome[0].version for outcome in outcomes[::2]] == list(range(len(writes)))
        assert all(isinstance(outcome, GaterError) for outcome in outcomes[1::2])


numbers = st.integers(-5, 5) | st.sampled_from([HUGE, 1 << 63, (1 << 63) - 1, -(1 << 63)])
texts = st.text(max_size=8) | st.sampled_from(["$all", "x" * 256, "a", "s"])
blobs = st.binary(max_size=20) | st.just(b"{}")
raw_events = st.builds(RawEvent, blobs | st.binary(min_size=16, max_size=16), texts, texts, blobs, st.none() | blobs)
writes = st.builds(StreamWrite, texts, st.lists(raw_events, max_size=2).map(tuple), numbers)
snapshots = st.builds(Snapshot, texts, texts, numbers, texts, blobs, st.none() | blobs, texts, numbers, numbers)
stores = st.just("s") | texts
operations = st.one_of(
    st.builds(op.AppendStreams, stores, st.lists(writes, max_size=3).map(tuple)),
    st.builds(
        op.ImportPage,
        stores,
        st.lists(st.builds(ImportedEvent, texts, numbers, numbers, raw_events), max_size=2).map(tuple),
    ),
    st.builds(op.ReadStream, stores, texts, numbers, numbers, st.booleans()),
    st.builds(op.ReadAll, stores, st.none() | numbers, numbers, st.booleans()),
    st.builds(op.GetVersion, stores, texts),
    st.builds(op.GetStreams, stores, texts, texts, numbers),
    st.builds(op.DeleteStreamOperation, stores, texts, numbers, st.booleans()),
    st.builds(op.TruncateStreamOperation, stores, texts, numbers),
    st.builds(op.RecordSnapshotOperation, stores, snapshots),
    st.builds(op.ReadSnapshot, stores, texts, texts, st.none() | numbers),
    st.builds(op.DeleteSnapshotOperation, stores, texts, texts, numbers),
    st.builds(
        op.ListSnapshots, stores, st.none() | texts, st.none() | texts, st.none() | st.tuples(texts, texts, numbers)
    ),
    st.builds(op.CompactStore, stores),
    st.builds(op.GetStoreStatus, stores),
    st.builds(op.VerifyStore, stores),
)


@given(st.lists(operations, min_size=1, max_size=12))
def test_whatever_is_sent_is_answered_with_the_answer_or_a_refusal(sent: list[op.Operation[Any]]) -> None:
    async def answered() -> None:
        async with in_memory("s", limits=LIMITS) as gateway:
            for operation in sent:
                (outcome,) = await asyncio.gather(answer(gateway, operation), return_exceptions=True)
                if isinstance(outcome, BaseException):
                    assert isinstance(outcome, GaterError), repr(outcome)
                    assert outcome.code != "internal_error", outcome
                else:
                    msgspec.msgpack.decode(msgspec.msgpack.encode(outcome), type=operation.answer)
            assert (await answer(gateway, op.VerifyStore("s"))).ok
            await events_can_be_looked_at(gateway)

    run_async(answered())


async def events_can_be_looked_at(gateway: Gateway) -> None:
    page = await answer(gateway, op.ReadAll("s", 0, 1_000))
    for row in page.events:
        msgspec.json.encode(Event(*row).to_dict())
