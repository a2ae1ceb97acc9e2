-- The content of one store. Rows of events are never changed; hiding is a property of their stream.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

-- A stream's version is that of its newest event; `first` is the oldest version that readers see.
-- state: 0 live, 1 deleted (softly: an append revives it), 2 tombstoned.
CREATE TABLE streams (
    sid   INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL DEFAULT 0,
    state INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX cut_streams ON streams (sid) WHERE first > 0;

CREATE TABLE event_types (
    tid  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- content_type is NULL for JSON, the usual case. created is in microseconds since 1970.
CREATE TABLE events (
    position     INTEGER PRIMARY KEY,
    sid          INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    tid          INTEGER NOT NULL,
    event_id     BLOB NOT NULL,
    created      INTEGER NOT NULL,
    content_type TEXT,
    data         BLOB NOT NULL,
    metadata     BLOB
);
CREATE INDEX events_by_id ON events (event_id);

-- The index by stream: `count` events from `version` on stand at the positions from `position` on. It may lack the
-- newest 8192 positions (see stream_index.py).
CREATE TABLE runs (
    sid      INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (sid, version)
) WITHOUT ROWID;

-- The index by type: which blocks of 256 positions (position >> 8) hold an event of a type. It costs a row for each
-- type and block, not for each event, and finds a rare type just as well: the block is scanned.
CREATE TABLE type_blocks (
    tid   INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (tid, block)
) WITHOUT ROWID;

CREATE TABLE snapshots (
    source         TEXT NOT NULL,
    stream         TEXT NOT NULL,
    version        INTEGER NOT NULL,
    content_type   TEXT NOT NULL,
    data           BLOB NOT NULL,
    metadata       BLOB,
    source_type    TEXT NOT NULL,
    source_version INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    PRIMARY KEY (source, stream, version)
) WITHOUT ROWID;
