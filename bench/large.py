"""Large stores are built once a run, and kept at each size that a work asks for."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.load import LoadError, run_load
from bench.rounds import Run

READABLE_STREAMS: Final = 1_000
READ_COUNT: Final = 100
"""Every readable stream has at least so many events, whatever the size of the store."""
BUILD_TIMEOUT: Final = 3_600.0
COPIED_UP_TO: Final = 2_000_000
"""A store of at most so many events is copied before each turn of appends, so that it keeps its size."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A prepared store: where it is and what is in it."""

    folder: Path
    events: int
    streams: int

    def for_appends(self, run: Run) -> Path:
        """A folder to append to: a copy, written out before it is used, or the store itself when it is very large."""
        if self.events > COPIED_UP_TO:
            return self.folder
        copy = run.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy)
        os.sync()
        return copy


def by_events(run: Run) -> list[Grown]:
    """The same 1,000 streams with ever more events; the store is kept at each of these sizes."""
    sizes = [100_000, 1_000_000, 10_000_000] if run.large else [100_000, 300_000 if run.quick else 1_000_000]
    grown: list[Grown] = []
    for size in sizes:
        store = Grown(run.folder / f"events-{size}", size, READABLE_STREAMS)
        if not store.folder.exists():
            run.say(f"building a store of {size:,} events")
            if grown:
                shutil.copytree(grown[-1].folder, store.folder)
            before = grown[-1].events if grown else 0
            _grow(store, passes=(size - before) // READABLE_STREAMS, before=before)
        grown.append(store)
    return grown


def by_streams(run: Run) -> list[Grown]:
    """1,000 streams of 100 events, alone and spread evenly among very many streams of one event."""
    grown: list[Grown] = []
    for streams in (READABLE_STREAMS, 1_000_000 if run.large else 20_000 if run.quick else 100_000):
        events = streams + READABLE_STREAMS * (READ_COUNT - 1)
        store = Grown(run.folder / f"streams-{streams}", events, streams)
        if not store.folder.exists():
            run.say(f"building a store of {streams:,} streams")
            _grow(store, passes=1)
            _grow(store, passes=READ_COUNT - 1, step=streams // READABLE_STREAMS)
        grown.append(store)
    return grown


def _grow(store: Grown, **arguments: int) -> None:
    target = str(store.folder)
    try:
        run_load("bench.large_load:grow", timeout=BUILD_TIMEOUT, target=target, streams=store.streams, **arguments)
    except LoadError:
        shutil.rmtree(store.folder, ignore_errors=True)  # no later work shall take a part for the whole
        raise
