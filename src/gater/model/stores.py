"""The configuration and the state of a store."""

from __future__ import annotations

from typing import Any

import msgspec


class StoreConfig(msgspec.Struct, frozen=True, omit_defaults=False):
    """The configuration with which a store was made."""

    store_id: str
    data_dir: str
    db_type: str = "single"
    """`single` (a file of this node) or `memory` (gone when it is closed)."""
    timeout: int = 5_000
    """Milliseconds that a call may take, by default."""
    pub_sub: str = "ex_esdb_events"
    """The pub/sub instance for its events."""
    reader_idle_ms: int = 10_000
    """Kept for clients of the original; readers are never stopped here."""
    writer_idle_ms: int = 10_000
    """Kept for clients of the original; the writer is never stopped here."""
    store_description: str = ""
    """What it is for, as its maker said."""
    created_at: str = ""
    """When it was made, UTC."""
    version: int = 1
    """Version of this record."""
    status: str = "active"
    """`active`, `corrupt` (its file is too damaged to be opened) or `unavailable` (it cannot be opened for now)."""
    priority: str = "normal"
    """Kept for clients of the original."""
    auto_start: bool = True
    """Whether it is opened with its node: always."""
    tags: tuple[str, ...] = ()
    """Words for finding it, as its maker said."""
    environment: str = ""
    """Kept for clients of the original."""


class StoreInfo(msgspec.Struct, frozen=True):
    """A store that can be reached, and the node that serves it."""

    store: StoreConfig
    node: str


class StoreStatus(msgspec.Struct, frozen=True):
    """The state of a store."""

    store: str
    state: str
    """`running`, `read_only` (writes are refused until its disk recovers), `corrupt` (damage was met) or `unavailable`
    (it cannot be opened: another process has it open, or its file may not be read; tried again every few seconds)."""
    durability: str
    position: int
    """Position of the newest event; 0 when there is none."""
    streams: int
    """Streams ever written to."""
    event_types: int
    snapshots: int
    file_bytes: int
    waiting_commands: int
    subscribers: int
    reason: str = ""
    """Why it is not running, or what is wrong although it is."""
    history: str = ""
    """What tells its history from that of a store which was restored or made anew; empty when it is not open."""


class VerifyReport(msgspec.Struct, frozen=True):
    """The result of a check of a whole store; it is sound when `problems` is empty."""

    store: str
    events: int
    streams: int
    position: int
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON shows it."""
        return {"ok": self.ok, **msgspec.to_builtins(self)}
