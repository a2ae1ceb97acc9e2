"""A store: a deterministic state machine over a SQLite file, fed by a commit log."""
