"""Migrations from an older schema to the next; each step is done whole, in one transaction, or not."""

from __future__ import annotations

from typing import Final

import apsw

from gater.store import queries

_TABLES_OF_2: Final = """
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
CREATE TABLE parked (
    subscription TEXT NOT NULL,
    position     INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    parked       INTEGER NOT NULL,
    replaying    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subscription, position)
) WITHOUT ROWID;
"""

_RUNS_OF_3: Final = """
ALTER TABLE subscriptions RENAME TO subscriptions_of_2;
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
INSERT INTO subscriptions
SELECT name, selector, start_from, first_version, settings, created, updated,
       ?1 + row_number() OVER (ORDER BY name), ?1 + row_number() OVER (ORDER BY name), checkpoint, ahead
FROM subscriptions_of_2;
DROP TABLE subscriptions_of_2;
INSERT OR REPLACE INTO meta SELECT 'numbers', ?1 + count(*) FROM subscriptions;
"""

AFTER_CLOCKS: Final = 1 << 51
"""Receipts of schema 2 were microseconds of the clock: no clock before the year 2041 has shown this."""


def add_subscriptions(connection: apsw.Connection) -> None:
    """From 1 to 2: durable subscriptions."""
    connection.execute(_TABLES_OF_2)


def number_runs(connection: apsw.Connection) -> None:
    """From 2 to 3: each subscription is in a run with a number of its own; no receipt of before is one of the run."""
    connection.execute(_RUNS_OF_3, {"1": AFTER_CLOCKS})


def begin_new_runs(connection: apsw.Connection, skipped: int) -> None:
    """Have each subscription of a copy of a store begin a new run, with a number beyond the next `skipped` ones.

    Those are what the store itself may give to runs and receipts after the copy was made.
    """
    connection.execute(queries.SKIP_NUMBERS, (skipped,))
    connection.execute(queries.RENUMBER_RUNS)
    connection.execute(queries.SKIP_NUMBERS, (queries.one(connection, queries.COUNT_SUBSCRIPTIONS),))
