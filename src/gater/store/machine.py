"""The state machine: the only code that changes what a store contains.

The same commands in the same order give the same content on every node: nothing here reads a clock, makes an id, or
draws a number. A batch is one transaction; within it, a refused command changes nothing and yields its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import apsw

from gater.model import commands as c
from gater.model.errors import GaterError, StreamDeletedError, WrongExpectedVersionError
from gater.model.events import JSON, RawEvent
from gater.model.expected_version import ANY, STREAM_EXISTS, accepts
from gater.store import queries
from gater.store.compaction import remove_hidden
from gater.store.counts import SIGNS, Counts
from gater.store.heads import DELETED, LIVE, TOMBSTONED, Head, Heads
from gater.store.importing import plan_import
from gater.store.places import Run
from gater.store.plan import Plan
from gater.store.rows import insert_rows, select_in
from gater.store.stream_index import StreamIndex
from gater.store.subscription_records import CHOSEN, SubscriptionRecords
from gater.store.type_index import TypeIndex

Mark: TypeAlias = Callable[[apsw.Connection], None]
"""Writes, within the transaction of a batch, how far its log has come."""

ROWS_A_LOOK: Final = 256
"""Events after which it is looked whether their portion of rows is full."""


class Machine:
    """Applies commands to the file through one connection, whose only writer it is."""

    def __init__(self, connection: apsw.Connection, durability: str, counts: Counts | None = None) -> None:
        """`counts` are taken from the file, and kept."""
        self.connection = connection
        self.counts = counts or Counts()
        self.counts.take(connection)
        self._durability = durability
        self._load()

    def _load(self) -> None:
        self.position: int = queries.one(self.connection, queries.LAST_POSITION)
        self.position = max(self.position, queries.one(self.connection, queries.GET_META, ("position",)) or 0)
        self._changes: int = queries.one(self.connection, queries.GET_META, ("changes",))
        self._index = StreamIndex(self.connection, self.position)
        self._heads = Heads(self.connection, self._index)
        self._types = TypeIndex(self.connection, self.position)
        self._subscriptions = SubscriptionRecords(self.connection)
        self._last_id: bytes = queries.one(self.connection, queries.LAST_EVENT_ID) or b""
        self._plan = Plan()
        """The plan that is being made."""

    def apply(self, batch: Sequence[c.AnyCommand]) -> Plan:
        """Execute the commands in one durable transaction: `plan`, then `write`."""
        plan = self.plan(batch)
        self.write(plan)
        return plan

    def plan(self, batch: Sequence[c.AnyCommand]) -> Plan:
        """Decide what the commands do, writing nothing yet; what it gives must be written before the next plan.

        Raises apsw.Error when what is stored cannot be read.
        """
        plan = self._plan = Plan()
        try:
            self._prepare(batch)
            for command in batch:
                plan.outcomes.append(self._execute(command))
        except BaseException:
            self._load()
            raise
        return plan

    def write(self, plan: Plan, mark: Mark | None = None) -> None:
        """Put the newest plan into the file, in one durable transaction; `mark` writes what else belongs into it.

        Raises apsw.Error when the disk or the file fails: then nothing of the batch is done, or, when the failure
        came with the final sync, its outcome is known only after the file was opened again.
        """
        if not plan.must_write and mark is None:
            return
        changes = self._changes + bool(plan.statements or plan.compactions)
        try:
            self.counts.begin()
            self.connection.execute("BEGIN IMMEDIATE")
            self._write_rows(plan)
            for index, command in plan.compactions:
                plan.outcomes[index] = self._remove_hidden(command)
            if changes != self._changes:
                self.connection.execute(queries.SET_CHANGES, (changes,))
            if mark is not None:
                mark(self.connection)
            self.connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._changes = changes
        self.counts.commit()

    def _write_rows(self, plan: Plan) -> None:
        if plan.streams:
            insert_rows(self.connection, queries.INSERT_STREAMS, 4, plan.streams)
        for number, (statement, parameters) in enumerate(plan.statements):
            rows = self.connection.execute(statement, parameters)
            if number in plan.asking:
                plan.outcomes[plan.asking[number]] = sorted([row[0] for row in rows])
            if statement in SIGNS:
                self.counts.note(statement, parameters, self.connection.changes())
        self._types.write()
        plan.rows.insert(self.connection, queries.INSERT_EVENTS)
        self._index.write(self.position)

    @property
    def extent(self) -> int:
        """The newest position plus the count of batches that did more than add events: grows with every change.

        A batch that only adds events costs no further page for it.
        """
        return self.position + self._changes

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self._load()

    def probe(self) -> None:
        """Write and take back something sizeable, to see whether the disk takes writes again."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(queries.PUT_META, ("probe", bytes(256 * 1024)))
        self.connection.execute("COMMIT")
        self.connection.execute(queries.PUT_META, ("probe", None))

    # --- the commands ---

    def _prepare(self, batch: Sequence[c.AnyCommand]) -> None:
        """Look up, in two statements for the whole batch, the streams and event ids that it names."""
        names: list[str] = []
        ids: list[bytes] = []
        for command in batch:
            if type(command) is c.Append:
                for write in command.writes:
                    names.append(write.stream_id)
                    ids += [event.event_id for event in write.events]
                names += [guard.stream_id for guard in command.guards]
            elif type(command) is c.ImportEvents:
                for imported in command.events:
                    names.append(imported.stream_id)
                    ids.append(imported.event.event_id)
            elif isinstance(command, c.DeleteStream | c.TruncateStream):
                names.append(command.stream_id)
        self._heads.load(names)
        # Time-ordered ids are mostly newer than every stored one; those need not be looked up.
        last_id = self._last_id
        ids = [event_id for event_id in ids if event_id <= last_id]
        for event_id, sid, version, position in select_in(self.connection, queries.PLACES, ids):
            self._plan.places.add(event_id, sid, version, position)

    def _execute(self, command: c.AnyCommand) -> Any:
        try:
            match command:
                case c.Append():
                    return self._append(command)
                case c.ImportEvents():
                    return self._import(command)
                case c.DeleteStream():
                    return self._delete_stream(command)
                case c.TruncateStream():
                    return self._truncate_stream(command)
                case c.RecordSnapshot():
                    return self._record_snapshot(command)
                case c.DeleteSnapshot():
                    return self._delete_snapshot(command)
                case c.Compact():
                    return self._compact(command)
                case _:
                    return self._change_subscription(command)
        except GaterError as refusal:
            return refusal

    def _append(self, command: c.Append) -> list[c.WriteResult]:
        writes, created = command.writes, command.created_epoch
        if len(writes) == 1 and not command.guards:
            return [self._append_one(writes[0], created)]
        heads = [self._heads.get(write.stream_id) for write in writes]
        runs = [self._plan.places.run(head, write) for head, write in zip(heads, writes, strict=True)]
        if any(runs):
            self._plan.places.refuse_partial(heads, writes, runs)
            return [self._first_answer(*parts) for parts in zip(heads, writes, runs, strict=True)]
        for head, write in zip(heads, writes, strict=True):
            self._check(head, write.stream_id, write.expected_version)
        for guard in command.guards:
            head = self._heads.get(guard.stream_id)
            if head is None or head.state != TOMBSTONED or guard.expected_version != ANY:
                self._check(head, guard.stream_id, guard.expected_version)
        return [self._write(head, write, created) for head, write in zip(heads, writes, strict=True)]

    def _append_one(self, write: c.StreamWrite, created: int) -> c.WriteResult:
        """The same for the usual case of one stream and no guards."""
        head = self._heads.get(write.stream_id)
        run = self._plan.places.run(head, write)
        if run is not None:
            return self._first_answer(head, write, run)
        self._check(head, write.stream_id, write.expected_version)
        return self._write(head, write, created)

    def _first_answer(self, head: Head | None, write: c.StreamWrite, run: Run | None) -> c.WriteResult:
        """The first answer to the append of these events."""
        if head is None or run is None:
            return self._result(-1 if head is None else head.version)
        expected = write.expected_version
        if expected >= 0 and expected != run.first - 1:
            if expected == head.version:  # what is wrong is not the version: trying again cannot help
                raise self._plan.places.duplicate(head, write)
            raise WrongExpectedVersionError(write.stream_id, expected, head.version)
        return c.WriteResult(run.last, run.position, self._durability)

    def _write(self, head: Head | None, write: c.StreamWrite, created: int) -> c.WriteResult:
        """Add events that were found to be acceptable."""
        if not write.events:
            return self._result(-1 if head is None else head.version)
        if head is None:
            head = self._add_stream(write.stream_id, 0)
        elif head.state == DELETED:
            self._set_stream(write.stream_id, head, head.first, LIVE)
        for event in write.events:
            self._add_event(write.stream_id, head, event, created)
        return c.WriteResult(head.version, self.position, self._durability)

    def _check(self, head: Head | None, stream_id: str, expected: int) -> None:
        if head is None:
            if not accepts(expected, -1, False):
                raise WrongExpectedVersionError(stream_id, expected, -1)
        elif head.state == TOMBSTONED:
            raise StreamDeletedError(stream_id)
        elif expected != ANY and not accepts(expected, head.version, head.state == DELETED):
            raise WrongExpectedVersionError(stream_id, expected, head.version)

    def _import(self, command: c.ImportEvents) -> int:
        new = plan_import(command.events, self._heads, self._plan.places)
        for imported in new:
            head = self._heads.get(imported.stream_id)
            if head is None:
                # What the source had truncated stays hidden here: versions begin where the export does.
                head = self._add_stream(imported.stream_id, imported.version)
                head.version = imported.version - 1
            self._add_event(imported.stream_id, head, imported.event, imported.created_epoch)
        return len(new)

    def _delete_stream(self, command: c.DeleteStream) -> c.WriteResult:
        head = self._heads.get(command.stream_id)
        if head is not None and head.state == TOMBSTONED and command.tombstone:
            return self._result(head.version)
        expected = command.expected_version
        if command.again and expected == STREAM_EXISTS and head is not None and head.state == DELETED:
            expected = ANY
        self._check(head, command.stream_id, expected)
        if head is None and command.tombstone:
            head = self._add_stream(command.stream_id, 0)
        if head is None:
            return self._result(-1)
        if command.tombstone:
            self._set_stream(command.stream_id, head, head.version + 1, TOMBSTONED)
        elif head.state == LIVE:
            self._set_stream(command.stream_id, head, head.version + 1, DELETED)
        return self._result(head.version)

    def _truncate_stream(self, command: c.TruncateStream) -> c.WriteResult:
        head = self._heads.get(command.stream_id)
        if head is None:
            return self._result(-1)
        self._check(head, command.stream_id, ANY)
        first = min(command.before_version, head.version + 1)
        if first > head.first:
            self._set_stream(command.stream_id, head, first, head.state)
        return self._result(head.version)

    def _record_snapshot(self, command: c.RecordSnapshot) -> c.WriteResult:
        s = command.snapshot
        key = (s.source_uuid, s.stream_uuid, s.version)
        content = (s.content_type, s.raw_data, s.raw_metadata, s.source_type, s.source_version, s.created_epoch)
        self._plan.statements += ((queries.DELETE_SNAPSHOT, key), (queries.PUT_SNAPSHOT, key + content))
        return self._result(s.version)

    def _delete_snapshot(self, command: c.DeleteSnapshot) -> c.WriteResult:
        key = (command.source_uuid, command.stream_uuid, command.version)
        self._plan.statements.append((queries.DELETE_SNAPSHOT, key))
        return self._result(command.version)

    def _change_subscription(self, command: c.SubscriptionCommand) -> Any:
        change = self._subscriptions.change(command, self.position)
        self._plan.statements += change.statements
        if change.answer is CHOSEN:
            self._plan.asking[len(self._plan.statements) - 1] = len(self._plan.outcomes)
        return change.answer

    def _compact(self, command: c.Compact) -> c.Compacted:
        # What is removed is hidden already: nobody can tell when in the batch it goes, so it goes last.
        self._plan.compactions.append((len(self._plan.outcomes), command))
        return c.Compacted(0, None)

    def _remove_hidden(self, command: c.Compact) -> c.Compacted:
        if command.begin == 0:
            self._index.write(self.position, everything=True)
        compacted = remove_hidden(self.connection, command)
        if compacted.removed:
            # The newest event may be among them: its position is never given again.
            self.connection.execute(queries.PUT_META, ("position", self.position))
            self.connection.execute(queries.ADD_COMPACTED, (compacted.removed,))
        return compacted

    # --- what they write ---

    def _result(self, version: int) -> c.WriteResult:
        return c.WriteResult(version, self.position, self._durability)

    def _add_stream(self, name: str, first: int) -> Head:
        head = self._heads.add(name)
        head.first = first
        self._plan.streams += (head.sid, name, first, LIVE)
        return head

    def _set_stream(self, name: str, head: Head, first: int, state: int) -> None:
        if first > head.first:
            self._plan.hides[name] = first
        head.first, head.state = first, state
        self._plan.statements.append((queries.UPDATE_STREAM, (first, state, head.sid)))

    def _add_event(self, stream_id: str, head: Head, event: RawEvent, created: int) -> None:
        self.position = position = self.position + 1
        head.version = version = head.version + 1
        event_id, event_type, content_type = event.event_id, event.event_type, event.content_type
        data, metadata = event.data, event.metadata
        tid = self._types.add(event_type, position)
        if event_id > self._last_id:
            self._last_id = event_id
        kept_type = None if content_type == JSON else content_type
        plan = self._plan
        if not position % ROWS_A_LOOK:
            plan.rows.portion()
        plan.rows.last += (position, head.sid, version, tid, event_id, created, kept_type, data, metadata)
        self._index.add(head.sid, version, position)
        plan.places.add(event_id, head.sid, version, position)
        plan.events.append((stream_id, version, position, event_id, event_type, content_type, data, metadata, created))
