-- Durable subscriptions: a part of a store's content since schema version 2.

-- Every event of a subscription up to `checkpoint` is settled; `ahead` (msgpack) tells which later
-- ones are, too, and how often others failed. `generation` counts how often it was rewound. A subscription to one
-- stream passes over versions before `first_version`. Times are in microseconds since 1970.
CREATE TABLE subscriptions (
    name          TEXT PRIMARY KEY,
    selector      BLOB NOT NULL,
    start_from    INTEGER NOT NULL,
    first_version INTEGER NOT NULL,
    settings      BLOB NOT NULL,
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    checkpoint    INTEGER NOT NULL,
    ahead         BLOB NOT NULL
) WITHOUT ROWID;

-- Events that subscriptions have set aside. One that is being delivered again stays until it is settled.
CREATE TABLE parked (
    subscription TEXT NOT NULL,
    position     INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    parked       INTEGER NOT NULL,
    replaying    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subscription, position)
) WITHOUT ROWID;
