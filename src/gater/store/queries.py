"""Every SQL statement of a store, each with its purpose; what readers see is decided here and in the machine."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

import apsw

SCHEMA: Final = resources.files("gater.store").joinpath("schema.sql").read_text()

# --- meta ---

GET_META: Final = "SELECT value FROM meta WHERE name = ?"
PUT_META: Final = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
# The count of batches that did more than add events; written in the same transaction as their changes.
SET_CHANGES: Final = "UPDATE meta SET value = ? WHERE name = 'changes'"
ADD_COMPACTED: Final = "UPDATE meta SET value = value + ? WHERE name = 'compacted'"

# --- the machine ---

LAST_POSITION: Final = "SELECT coalesce(max(position), 0) FROM events"
LAST_SID: Final = "SELECT coalesce(max(sid), 0) FROM streams"
LAST_TID: Final = "SELECT coalesce(max(tid), 0) FROM event_types"
LAST_EVENT_ID: Final = "SELECT max(event_id) FROM events"
# The types that the newest block of positions holds already.
BLOCK_TYPES: Final = "SELECT DISTINCT tid FROM events WHERE position >= ?"

# A stream's version is that of its newest event; compaction may have removed even that, then `first` tells it.
HEADS: Final = """
SELECT s.name, s.sid,
       coalesce((SELECT max(e.version) FROM events e WHERE e.sid = s.sid), s.first - 1),
       s.first, s.state
FROM streams s WHERE s.name IN (?)"""
TYPE_NUMBER: Final = "SELECT tid FROM event_types WHERE name = ?"
# Where events with these ids stand, in whatever stream.
PLACES: Final = "SELECT event_id, sid, version, position FROM events WHERE event_id IN (?)"

INSERT_STREAMS: Final = "INSERT INTO streams (sid, name, first, state) VALUES "
INSERT_TYPES: Final = "INSERT INTO event_types (tid, name) VALUES "
INSERT_TYPE_BLOCKS: Final = "INSERT OR IGNORE INTO type_blocks VALUES "
INSERT_EVENTS: Final = "INSERT INTO events VALUES "
UPDATE_STREAM: Final = "UPDATE streams SET first = ?, state = ? WHERE sid = ?"

# Hidden events, a bounded number of them.
HIDDEN: Final = """
SELECT e.position FROM streams s CROSS JOIN events e ON e.sid = s.sid AND e.version < s.first
WHERE s.first > 0 LIMIT ?"""
DELETE_EVENTS: Final = "DELETE FROM events WHERE position IN (?)"

PUT_SNAPSHOT: Final = "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
DELETE_SNAPSHOT: Final = "DELETE FROM snapshots WHERE source = ? AND stream = ? AND version = ?"

# --- readers: events come in the field order of model.events.Event ---

_EVENT: Final = """
SELECT s.name, e.version, e.position, e.event_id, t.name, coalesce(e.content_type, 'application/json'),
       e.data, e.metadata, e.created"""

STREAM_FORWARD: Final = f"""{_EVENT}
FROM streams s CROSS JOIN events e ON e.sid = s.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE s.name = ? AND e.version >= ? AND e.version < ? AND e.version >= s.first
ORDER BY e.version LIMIT ?"""
STREAM_BACKWARD: Final = f"""{_EVENT}
FROM streams s CROSS JOIN events e ON e.sid = s.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE s.name = ? AND e.version <= ? AND e.version > ? AND e.version >= s.first
ORDER BY e.version DESC LIMIT ?"""
# A span of positions at a time, so that a long run of hidden events cannot hold a reader up.
ALL_FORWARD: Final = f"""{_EVENT}
FROM events e CROSS JOIN streams s ON s.sid = e.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE e.position > ? AND e.position <= ? AND e.version >= s.first
ORDER BY e.position LIMIT ?"""
ALL_BACKWARD: Final = f"""{_EVENT}
FROM events e CROSS JOIN streams s ON s.sid = e.sid CROSS JOIN event_types t ON t.tid = e.tid
WHERE e.position < ? AND e.position >= ? AND e.version >= s.first
ORDER BY e.position DESC LIMIT ?"""

STREAM_NAMES: Final = """
SELECT name FROM streams WHERE name > ? AND name >= ? AND name < ? AND state = 0 ORDER BY name LIMIT ?"""

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
COUNT_SNAPSHOTS: Final = "SELECT count(*) FROM snapshots"

# --- verification: each statement gives the rows that contradict a promise ---

COUNT_EVENTS: Final = "SELECT count(*), coalesce(min(position), 0), coalesce(max(position), 0) FROM events"
COUNT_STREAMS: Final = "SELECT count(*) FROM streams"
# Versions of a stream that follow each other with a hole between them.
VERSION_HOLES: Final = """
SELECT s.name, v.version FROM (
    SELECT sid, version, lag(version) OVER (PARTITION BY sid ORDER BY version) AS before FROM events
) v JOIN streams s ON s.sid = v.sid
WHERE v.before IS NOT NULL AND v.version != v.before + 1 AND v.version > s.first LIMIT 10"""
# Streams whose oldest visible event is missing.
MISSING_FIRST: Final = """
SELECT s.name FROM streams s
WHERE EXISTS (SELECT 1 FROM events e WHERE e.sid = s.sid AND e.version > s.first)
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.sid = s.sid AND e.version = s.first) LIMIT 10"""
# Events whose stream or type is unknown.
ORPHANS: Final = """
SELECT e.position FROM events e
WHERE NOT EXISTS (SELECT 1 FROM streams s WHERE s.sid = e.sid)
   OR NOT EXISTS (SELECT 1 FROM event_types t WHERE t.tid = e.tid) LIMIT 10"""
# Streams in which versions go up while positions go down.
DISORDER: Final = """
SELECT s.name, v.version FROM (
    SELECT sid, version, position, lag(position) OVER (PARTITION BY sid ORDER BY version) AS before FROM events
) v JOIN streams s ON s.sid = v.sid WHERE v.position < v.before LIMIT 10"""


# Types of events that the index by type does not find.
UNINDEXED: Final = """
SELECT t.name, e.position FROM events e JOIN event_types t ON t.tid = e.tid
WHERE NOT EXISTS (SELECT 1 FROM type_blocks b WHERE b.tid = e.tid AND b.block = e.position >> 8) LIMIT 10"""


def one(connection: apsw.Connection, query: str, parameters: tuple[Any, ...] = ()) -> Any:
    """The single value of a query; None when it has no row."""
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]
