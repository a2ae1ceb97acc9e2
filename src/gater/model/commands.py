"""The commands of a store's state machine: values that carry all they need, time and identity included."""

from __future__ import annotations

import msgspec

from gater.model.events import ImportedEvent, RawEvent
from gater.model.expected_version import ANY
from gater.model.snapshots import Snapshot


class Command(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", gc=False):
    """A change of a store's content; refused whole or done whole."""


class StreamWrite(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The part of an append that goes to one stream."""

    stream_id: str
    events: tuple[RawEvent, ...]
    expected_version: int = ANY


class StreamGuard(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A condition on a stream that the append does not write to."""

    stream_id: str
    expected_version: int


class Append(Command, frozen=True, array_like=True, tag="append", gc=False):
    """Append to one or several streams, all or nothing."""

    created_epoch: int
    writes: tuple[StreamWrite, ...]
    guards: tuple[StreamGuard, ...] = ()


class ImportEvents(Command, frozen=True, array_like=True, tag="import", gc=False):
    """Append events with the versions and times they had elsewhere; those already here are passed over."""

    events: tuple[ImportedEvent, ...]


class DeleteStream(Command, frozen=True, array_like=True, tag="delete_stream", gc=False):
    """Hide all events of a stream; with `tombstone`, close it for good."""

    stream_id: str
    expected_version: int = ANY
    tombstone: bool = False
    again: bool = False
    """Whether it may have been done already: a stream that does not exist any more is not refused."""


class TruncateStream(Command, frozen=True, array_like=True, tag="truncate_stream", gc=False):
    """Hide the events of a stream that are older than `before_version`."""

    stream_id: str
    before_version: int


class RecordSnapshot(Command, frozen=True, array_like=True, tag="record_snapshot", gc=False):
    """Keep a snapshot under its key, in place of an earlier one."""

    snapshot: Snapshot


class DeleteSnapshot(Command, frozen=True, array_like=True, tag="delete_snapshot", gc=False):
    """Forget a snapshot; nothing happens when there is none."""

    source_uuid: str
    stream_uuid: str
    version: int


class Compact(Command, frozen=True, array_like=True, tag="compact", gc=False):
    """Give back the space of up to `limit` hidden events, a slice of a compaction; answers Compacted."""

    limit: int
    begin: int = 0
    """The number of the stream at which the slice begins: 0 for the first, then what the one before has answered."""


class SaveSubscription(Command, frozen=True, array_like=True, tag="save_subscription", gc=False):
    """Make a durable subscription, or change one of the same selector; answers whether it was made.

    Changing `start_from` moves the checkpoint there and begins a new run; the same `start_from` again, or none, leaves
    both alone.
    """

    name: str
    selector: bytes
    """JSON, in its canonical form."""
    one_stream: bool
    """Whether it follows one stream, so that `start_from` is a version."""
    start_from: int | None
    """None: the beginning, or where it is."""
    settings: bytes
    """JSON: the settings that were said; the others stay, or have their defaults."""
    epoch: int
    within: str = ""
    """The prefix that its maker is confined to, which has a share of the store's subscriptions."""


class RemoveSubscription(Command, frozen=True, array_like=True, tag="remove_subscription", gc=False):
    """Forget a subscription of that selector with all that is parked of it; nothing happens when there is none."""

    name: str
    selector: bytes
    """JSON, in its canonical form."""


class ClaimReceipts(Command, frozen=True, array_like=True, tag="claim_receipts", gc=False):
    """Have receipts for deliveries of a run, which no other delivery in the store ever has; answers the first."""

    name: str
    run: int
    count: int


class AdvanceCheckpoint(Command, frozen=True, array_like=True, tag="advance_checkpoint", gc=False):
    """Note how far a run of a subscription has come; what is older than what is noted is not."""

    name: str
    run: int
    """The run that has come so far; refused when it is not the present one."""
    position: int
    ahead: bytes
    """What is known of later events: msgpack of model.subscriptions.Ahead."""


class ParkedEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event that is set aside, and why."""

    position: int
    reason: str
    attempts: int


class ParkEvents(Command, frozen=True, array_like=True, tag="park", gc=False):
    """Set events of a subscription aside; refused when the run that they failed in is not the present one."""

    name: str
    run: int
    entries: tuple[ParkedEntry, ...]
    epoch: int


class ReplayParked(Command, frozen=True, array_like=True, tag="replay_parked", gc=False):
    """Mark parked events (None: up to `limit` of all) as being delivered again; answers their positions."""

    name: str
    run: int
    """One of the runs of the subscription since it was made; refused when it was removed and made again since."""
    positions: tuple[int, ...] | None
    limit: int


class DiscardParked(Command, frozen=True, array_like=True, tag="discard_parked", gc=False):
    """Forget parked events (None: up to `limit` of all); answers their positions."""

    name: str
    run: int
    """As of ReplayParked."""
    positions: tuple[int, ...] | None
    limit: int


class ForgetReplayed(Command, frozen=True, array_like=True, tag="forget_replayed", gc=False):
    """Forget parked events that were delivered again and settled; refused when their run is not the present one."""

    name: str
    run: int
    positions: tuple[int, ...]


class RewindSubscription(Command, frozen=True, array_like=True, tag="rewind_subscription", gc=False):
    """Let a subscription begin again after a position, in a new run; answers the number of the run."""

    name: str
    after: int


SubscriptionCommand = (
    SaveSubscription
    | RemoveSubscription
    | ClaimReceipts
    | AdvanceCheckpoint
    | ParkEvents
    | ReplayParked
    | DiscardParked
    | ForgetReplayed
    | RewindSubscription
)
AnyCommand = (
    Append
    | ImportEvents
    | DeleteStream
    | TruncateStream
    | RecordSnapshot
    | DeleteSnapshot
    | Compact
    | SubscriptionCommand
)


class Compacted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Hidden events that a slice of a compaction removed, and where the next begins; None: there is none left."""

    removed: int
    next: int | None


class WriteResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The result of a write, with its durability.

    `version` is the stream's last version, `position` the store's position of the write's last event (for a write
    without events: the store's position at that moment). `durability` is the level reached: `memory`, `fsync`,
    `quorum` or `quorum+fsync`.
    """

    version: int
    position: int
    durability: str
