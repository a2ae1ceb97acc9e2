-- Durable subscriptions: a part of a store's content since schema version 2, with runs since version 3.

-- Every event of a subscription up to `checkpoint` is settled; `ahead` (msgpack) tells which later
-- ones are, too, and how often others failed. `run` is the number of its present run: each rewind begins a new one, and
-- `made` is the number of its first. They come from the store's counter `numbers` in `meta`, which never gives a number
-- twice. A subscription to one stream passes over versions before `first_version`. Times are in microseconds since 1970.
CREATE TABLE subscriptions (
    name          TEXT PRIMARY KEY,
    selector      BLOB NOT NULL,
    start_from    INTEGER NOT NULL,
    first_version INTEGER NOT NULL,
    settings      BLOB NOT NULL,
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL,
    made          INTEGER NOT NULL,
    run           INTEGER NOT NULL,
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
