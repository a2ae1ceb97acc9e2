"""Every SQL statement of a store, each with its purpose; what readers see is decided here and in the machine."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

import apsw

_SQL: Final = resources.files("gater.store")
SUBSCRIPTIONS_SCHEMA: Final = _SQL.joinpath("subscriptions.sql").read_text()
SCHEMA: Final = _SQL.joinpath("schema.sql").read_text() + SUBSCRIPTIONS_SCHEMA

# --- meta ---

GET_META: Final = "SELECT value FROM meta WHERE name = ?"
PUT_META: Final = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
# The count of batches that did more than add events; written in the same transaction as their changes.
SET_CHANGES: Final = "UPDATE meta SET value = ? WHERE name = 'changes'"
ADD_COMPACTED: Final = "UPDATE meta SET value = value + ? WHERE name = 'compacted'"

# Every table of a store's content.
TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"

# --- the machine ---

LAST_POSITION: Final = "SELECT coalesce(max(position), 0) FROM events"
LAST_SID: Final = "SELECT coalesce(max(sid), 0) FROM streams"
LAST_TID: Final = "SELECT coalesce(max(tid), 0) FROM event_types"
LAST_EVENT_ID: Final = "SELECT max(event_id) FROM events"
# The types that the newest block of positions holds already.
BLOCK_TYPES: Final = "SELECT DISTINCT tid FROM events WHERE position >= ?"

# A stream's version as far as it is indexed; compaction may have removed even its newest event, then `first` tells it.
HEADS: Final = """
SELECT s.name, s.sid,
       coalesce((SELECT r.version + r.count - 1 FROM runs r WHERE r.sid = s.sid ORDER BY r.version DESC LIMIT 1),
                s.first - 1),
       s.first, s.state
FROM streams s WHERE s.name IN (?)"""
# The newest events, which the index by stream may lack.
EVENTS_AFTER: Final = "SELECT position, sid, version FROM events WHERE position > ? ORDER BY position"
NAMED_EVENTS_AFTER: Final = """
SELECT s.name, e.version, e.position FROM events e CROSS JOIN streams s ON s.sid = e.sid
WHERE e.position > ? ORDER BY e.position"""
# The version behind the last that is indexed.
INDEXED_TO: Final = """
SELECT s.sid, (SELECT r.version + r.count FROM runs r WHERE r.sid = s.sid ORDER BY r.version DESC LIMIT 1)
FROM streams s WHERE s.sid IN (?)"""
TYPE_NUMBER: Final = "SELECT tid FROM event_types WHERE name = ?"
# Where events with these ids stand, in whatever stream.
PLACES: Final = "SELECT event_id, sid, version, position FROM events WHERE event_id IN (?)"

INSERT_STREAMS: Final = "INSERT INTO streams (sid, name, first, state) VALUES "
INSERT_TYPES: Final = "INSERT INTO event_types (tid, name) VALUES "
INSERT_RUNS: Final = "INSERT INTO runs VALUES "
INSERT_TYPE_BLOCKS: Final = "INSERT OR IGNORE INTO type_blocks VALUES "
INSERT_EVENTS: Final = "INSERT INTO events VALUES "
UPDATE_STREAM: Final = "UPDATE streams SET first = ?, state = ? WHERE sid = ?"

# The last of some streams with hidden events, of those from a number on.
LAST_CUT_STREAM: Final = """
SELECT max(sid) FROM (SELECT sid FROM streams WHERE first > 0 AND sid >= ? ORDER BY sid LIMIT ?)"""
# Hidden events of a span of streams, a bounded number of them, in the order of the index by stream, which is complete.
HIDDEN: Final = """
SELECT e.position, r.sid, r.version
FROM streams s CROSS JOIN runs r ON r.sid = s.sid AND r.version < s.first
CROSS JOIN events e ON e.position >= r.position AND e.position < r.position + min(r.count, s.first - r.version)
WHERE s.first > 0 AND s.sid >= ? AND s.sid <= ? ORDER BY s.sid, r.version, e.position LIMIT ?"""
DELETE_EVENTS: Final = "DELETE FROM events WHERE position IN (?)"
# Runs of a span of streams none of whose events are left; of the last stream up to a version.
DELETE_RUNS: Final = """
DELETE FROM runs WHERE (sid, version) IN (
    SELECT r.sid, r.version FROM streams s CROSS JOIN runs r ON r.sid = s.sid AND r.version + r.count <= s.first
    WHERE s.first > 0 AND s.sid >= ?1 AND s.sid <= ?2 AND r.version <= CASE WHEN s.sid < ?2 THEN s.first ELSE ?3 END
      AND NOT EXISTS (SELECT 1 FROM events e WHERE e.position >= r.position AND e.position < r.position + r.count))"""

PUT_SNAPSHOT: Final = "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
DELETE_SNAPSHOT: Final = "DELETE FROM snapshots WHERE source = ? AND stream = ? AND version = ?"

# --- subscriptions ---

SUBSCRIPTION_STATES: Final = "SELECT name, selector, start_from, made, run, checkpoint FROM subscriptions"
PUT_SUBSCRIPTION: Final = "INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, x'')"
# Settings that are not among those given stay.
UPDATE_SUBSCRIPTION: Final = """
UPDATE subscriptions SET settings = CAST(json_patch(CAST(settings AS TEXT), CAST(? AS TEXT)) AS BLOB), updated = ?
WHERE name = ?"""
# Begin elsewhere: what was known of later events counts no more.
MOVE_SUBSCRIPTION: Final = """
UPDATE subscriptions SET start_from = ?2, first_version = ?3, run = ?4, checkpoint = ?5, ahead = x''
WHERE name = ?1"""
# In a copy of a store: numbers that the store itself may give are passed over, and each subscription begins a new run.
SKIP_NUMBERS: Final = "UPDATE meta SET value = value + ? WHERE name = 'numbers'"
RENUMBER_RUNS: Final = """
UPDATE subscriptions SET made = new.run, run = new.run FROM (
    SELECT s.name, m.value + row_number() OVER (ORDER BY s.name) AS run
    FROM subscriptions s CROSS JOIN meta m ON m.name = 'numbers') AS new
WHERE new.name = subscriptions.name"""
COUNT_SUBSCRIPTIONS: Final = "SELECT count(*) FROM subscriptions"
DELETE_SUBSCRIPTION: Final = "DELETE FROM subscriptions WHERE name = ?"
DELETE_PARKED_OF: Final = "DELETE FROM parked WHERE subscription = ?"
SET_CHECKPOINT: Final = "UPDATE subscriptions SET checkpoint = ?, ahead = ? WHERE name = ?"
# After UNPARK: an event may be parked a second time. The rows that each of them changes are counted.
PARK: Final = "INSERT INTO parked VALUES (?, ?, ?, ?, ?, 0)"
UNPARK: Final = "DELETE FROM parked WHERE subscription = ? AND position = ?"
# The first of all, or named positions as a JSON list.
_FIRST: Final = """(subscription, position) IN (
    SELECT subscription, position FROM parked WHERE subscription = ? ORDER BY position LIMIT ?)"""
_CHOSEN: Final = "subscription = ? AND position IN (SELECT value FROM json_each(?))"
REPLAY_FIRST: Final = f"UPDATE parked SET replaying = 1 WHERE {_FIRST} RETURNING position"
REPLAY_PARKED: Final = f"UPDATE parked SET replaying = 1 WHERE {_CHOSEN} RETURNING position"
DISCARD_FIRST: Final = f"DELETE FROM parked WHERE {_FIRST} RETURNING position"
DISCARD_PARKED: Final = f"DELETE FROM parked WHERE {_CHOSEN} RETURNING position"
# Only what is being delivered again: an event that was parked once more stays.
FORGET_REPLAYED: Final = """
DELETE FROM parked WHERE subscription = ? AND replaying AND position IN (SELECT value FROM json_each(?))"""

SUBSCRIPTION: Final = """
SELECT name, selector, start_from, first_version, settings, created, updated, made, run, checkpoint, ahead
FROM subscriptions"""
ONE_SUBSCRIPTION: Final = f"{SUBSCRIPTION} WHERE name = ?"
ALL_SUBSCRIPTIONS: Final = f"{SUBSCRIPTION} ORDER BY name"
# Names and numbers of the first runs; nothing else of them is read.
SUBSCRIPTION_NAMES: Final = "SELECT name, made FROM subscriptions WHERE name > ? ORDER BY name LIMIT ?"
SUBSCRIPTION_MADE: Final = "SELECT made FROM subscriptions WHERE name = ?"
COUNT_ALL_PARKED: Final = "SELECT subscription, count(*) FROM parked GROUP BY subscription"
PARKED: Final = """
SELECT position, reason, attempts, parked, replaying FROM parked
WHERE subscription = ? AND position > ? ORDER BY position LIMIT ?"""
# One of some positions (a JSON list) that is not parked.
NOT_PARKED: Final = """
SELECT value FROM json_each(?2)
WHERE NOT EXISTS (SELECT 1 FROM parked WHERE subscription = ?1 AND position = value) LIMIT 1"""
# Which streams have parked events of a subscription, one at each position.
PARKED_STREAMS: Final = """
SELECT s.name, p.position, p.replaying FROM parked p CROSS JOIN events e ON e.position = p.position
CROSS JOIN streams s ON s.sid = e.sid WHERE p.subscription = ? ORDER BY p.position"""

# --- readers: events come in the field order of model.events.Event ---

_EVENT: Final = """
SELECT s.name, e.version, e.position, e.event_id, t.name, coalesce(e.content_type, 'application/json'),
       e.data, e.metadata, e.created"""

# From the index by stream: versions ?2 <= v < ?3, and the same backward for ?2 >= v > ?3.
STREAM_FORWARD: Final = f"""{_EVENT}
FROM streams s CROSS JOIN runs r CROSS JOIN events e CROSS JOIN event_types t
WHERE s.name = ?1 AND r.sid = s.sid AND r.version < ?3
  AND r.version >= coalesce((
      SELECT max(p.version) FROM runs p WHERE p.sid = s.sid AND p.version <= max(?2, s.first)), 0)
  AND e.position >= r.position + max(?2 - r.version, s.first - r.version, 0)
  AND e.position < r.position + min(r.count, ?3 - r.version)
  AND t.tid = e.tid
ORDER BY r.version, e.position LIMIT ?4"""
STREAM_BACKWARD: Final = f"""{_EVENT}
FROM streams s CROSS JOIN runs r CROSS JOIN events e CROSS JOIN event_types t
WHERE s.name = ?1 AND r.sid = s.sid AND r.version <= ?2
  AND r.version >= coalesce((
      SELECT max(p.version) FROM runs p WHERE p.sid = s.sid AND p.version <= max(?3 + 1, s.first)), 0)
  AND e.position >= r.position + max(?3 + 1 - r.version, s.first - r.version, 0)
  AND e.position < r.position + min(r.count, ?2 + 1 - r.version)
  AND t.tid = e.tid
ORDER BY r.version DESC, e.position DESC LIMIT ?4"""
# Hidden ones included.
EVERY_EVENT_AFTER: Final = f"""{_EVENT}
FROM events e CROSS JOIN streams s ON s.sid = e.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE e.position > ? ORDER BY e.position"""
# At positions that are known, for the newest events.
AT_POSITIONS: Final = f"""{_EVENT}
FROM events e CROSS JOIN streams s ON s.sid = e.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE e.position IN (?) AND e.version >= s.first ORDER BY e.position"""
AT_POSITIONS_BACKWARD: Final = f"{AT_POSITIONS} DESC"
# A span of positions at a time, so that a long run of hidden events cannot hold a reader up.
ALL_FORWARD: Final = f"""{_EVENT}
FROM events e CROSS JOIN streams s ON s.sid = e.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE e.position > ? AND e.position <= ? AND e.version >= s.first
ORDER BY e.position LIMIT ?"""
ALL_BACKWARD: Final = f"""{_EVENT}
FROM events e CROSS JOIN streams s ON s.sid = e.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE e.position < ? AND e.position >= ? AND e.version >= s.first
ORDER BY e.position DESC LIMIT ?"""

# The numbers of event types, as far as they exist.
TYPE_NUMBERS: Final = "SELECT tid FROM event_types WHERE name IN (?)"
# The blocks of positions that hold events of a type, from a block on.
TYPE_BLOCKS: Final = "SELECT block FROM type_blocks WHERE tid = ? AND block >= ? ORDER BY block LIMIT ?"
TYPE_BLOCKS_BACKWARD: Final = "SELECT block FROM type_blocks WHERE tid = ? AND block <= ? ORDER BY block DESC LIMIT ?"
# Events of some types (a JSON list of their numbers) in a span of positions, both ends included.
TYPED: Final = f"""{_EVENT}
FROM events e CROSS JOIN streams s ON s.sid = e.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE e.position >= ?1 AND e.position <= ?2 AND e.tid IN (SELECT value FROM json_each(?3)) AND e.version >= s.first
ORDER BY e.position LIMIT ?4"""
TYPED_BACKWARD: Final = TYPED.replace("ORDER BY e.position", "ORDER BY e.position DESC")
# The streams of the events at some positions.
STREAMS_AT: Final = """
SELECT e.position, s.name FROM events e CROSS JOIN streams s ON s.sid = e.sid WHERE e.position IN (?)"""
EVENT_ID: Final = "SELECT event_id FROM events WHERE position = ?"
FIRST_SINCE: Final = """
SELECT position FROM events WHERE position BETWEEN ? AND ? AND created >= ? ORDER BY position LIMIT 1"""

# Deleted ones included.
STREAM_NAMES: Final = """
SELECT name, state FROM streams WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?"""

_SNAPSHOT: Final = """
SELECT source, stream, version, content_type, data, metadata, source_type, source_version, created FROM snapshots"""
SNAPSHOT: Final = f"{_SNAPSHOT} WHERE source = ? AND stream = ? AND version = ?"
NEWEST_SNAPSHOT: Final = f"{_SNAPSHOT} WHERE source = ? AND stream = ? ORDER BY version DESC LIMIT 1"
SNAPSHOTS: Final = f"""{_SNAPSHOT}
WHERE (source, stream, version) > (?1, ?2, ?3) AND (?4 IS NULL OR source = ?4) AND (?5 IS NULL OR stream = ?5)
ORDER BY source, stream, version LIMIT ?6"""
SNAPSHOTS_OF_SOURCE: Final = f"""{_SNAPSHOT}
WHERE (source, stream, version) > (?1, ?2, ?3) AND source = ?4 AND (?5 IS NULL OR stream = ?5)
ORDER BY source, stream, version LIMIT ?6"""
# What is not yet moved from the write-ahead log into the file counts, too.
SIZE: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
COUNT_SNAPSHOTS: Final = "SELECT count(*) FROM snapshots"

# --- verification ---

COUNT_EVENTS: Final = "SELECT count(*), coalesce(min(position), 0), coalesce(max(position), 0) FROM events"
ALL_EVENTS: Final = "SELECT position, sid, version FROM events ORDER BY position"
ALL_STREAMS: Final = "SELECT sid, name, first FROM streams"
ALL_RUNS: Final = """
SELECT r.sid, r.version, r.count, e.sid, e.version
FROM runs r LEFT JOIN events e ON e.position = r.position ORDER BY r.sid, r.version"""
# Events whose type is unknown, or that the index by type does not find.
LOST_TYPES: Final = """
SELECT e.position FROM events e
WHERE NOT EXISTS (SELECT 1 FROM event_types t WHERE t.tid = e.tid)
   OR NOT EXISTS (SELECT 1 FROM type_blocks b WHERE b.tid = e.tid AND b.block = e.position >> 8) LIMIT 10"""


def one(connection: apsw.Connection, query: str, parameters: tuple[Any, ...] = ()) -> Any:
    """The single value of a query; None when it has no row."""
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]
