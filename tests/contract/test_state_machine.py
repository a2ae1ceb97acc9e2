"""Random commands, each answer and each content compared with the model; in process and over the network.

`HYPOTHESIS_PROFILE=torture` makes the runs long.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

import gater
from gater import ANY, Event, GaterApi, GaterError
from gater.testing.server import GaterServer
from tests.contract.commands import STREAMS, CommandMachine, Opening, datas, expected_forms, streams
from tests.contract.model import Recorded, RefusedError
from tests.contract.samples import all_of, first_of

LONG: Final = settings.get_current_profile_name() == "torture"
RUNS: Final = settings(
    max_examples=2_000 if LONG else 60,
    stateful_step_count=200 if LONG else 50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class StoreMachine(CommandMachine):
    """Gives the store and the model the same commands."""

    def teardown(self) -> None:
        try:
            self.everything_is_the_same()
        finally:
            self.run(self.api_generator.aclose())
            self.runner.close()

    # --- rules: writes ---

    @rule(draw=st.data())
    def append(self, draw: st.DataObject) -> None:
        part = self.part(draw)
        self.compare(self.appending([part]), lambda: self.model.append([part]))
        self.appended.append((part.stream, part.events))

    @rule(draw=st.data())
    def append_to_several(self, draw: st.DataObject) -> None:
        parts = {part.stream: part for part in (self.part(draw) for _ in range(draw.draw(st.integers(1, 4))))}
        guards = [(name, draw.draw(expected_forms)) for name in draw.draw(st.lists(streams, max_size=2))]
        checked = [(name, self.expected(form, name)) for name, form in guards]
        appends = list(parts.values())
        self.compare(self.appending(appends, checked), lambda: self.model.append(appends, checked))
        self.appended += [(part.stream, part.events) for part in appends]

    @rule(draw=st.data())
    def append_many_at_once(self, draw: st.DataObject) -> None:
        """Commands that are under way together make up one batch; they take effect in their order."""
        commands = [self.part(draw) for _ in range(draw.draw(st.integers(2, 8)))]
        outcomes = self.run(self.gathered([self.appending([part]) for part in commands]))
        for part, outcome in zip(commands, outcomes, strict=True):
            self.compare_outcome(outcome, partial(self.model.append, [part]))
            self.appended.append((part.stream, part.events))

    @rule(draw=st.data())
    def mix_writes_at_once(self, draw: st.DataObject) -> None:
        """The same with deletions and truncations between."""
        commands: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        for _ in range(draw.draw(st.integers(2, 6))):
            kind = draw.draw(st.sampled_from(["append", "append", "delete", "truncate"]))
            if kind == "append":
                part = self.part(draw)
                commands.append((partial(self.appending, [part]), partial(self.model.append, [part])))
                self.appended.append((part.stream, part.events))
                continue
            stream = draw.draw(streams)
            if kind == "delete":
                arguments: tuple[Any, ...] = (stream, ANY, False)
                commands.append((partial(self.deleting, *arguments), partial(self.model.delete, *arguments)))
            else:
                arguments = (stream, draw.draw(st.integers(0, self.model.version(stream) + 2)))
                commands.append((partial(self.truncating, *arguments), partial(self.model.truncate, *arguments)))
        outcomes = self.run(self.gathered([begin() for begin, _ in commands]))
        for outcome, (_, modelled) in zip(outcomes, commands, strict=True):
            self.compare_outcome(outcome, modelled)

    @rule(stream=streams, form=expected_forms, tombstone=st.sampled_from([False] * 7 + [True]))
    def delete(self, stream: str, form: Any, tombstone: bool) -> None:
        expected = self.expected(form, stream)
        self.compare(self.deleting(stream, expected, tombstone), lambda: self.model.delete(stream, expected, tombstone))

    @rule(stream=streams, draw=st.data())
    def truncate(self, stream: str, draw: st.DataObject) -> None:
        before = draw.draw(st.integers(0, self.model.version(stream) + 3))
        self.compare(self.truncating(stream, before), lambda: self.model.truncate(stream, before))

    @rule()
    def compact(self) -> None:
        self.compare(self.api.compact_store(self.store), self.model.compact)

    @rule(draw=st.data())
    def import_events(self, draw: st.DataObject) -> None:
        if self.exported and draw.draw(st.booleans()):
            exported = list(draw.draw(st.sampled_from(self.exported)))
            exported += self.exports(draw) if draw.draw(st.booleans()) else []
        else:
            exported = self.exports(draw)
        self.exported.append(exported)
        lines = [
            {
                "stream_id": event.stream,
                "version": event.version,
                "created_epoch": 1_000 + event.version,
                "event_id": event.event.event_id,
                "event_type": "Tried",
                "data": event.event.data,
            }
            for event in exported
        ]
        self.compare(self.api.import_events(self.store, lines), lambda: self.model.import_events(exported))

    # --- rules: snapshots ---

    snapshot_keys = st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(["a", "b"]), st.integers(0, 4))

    @rule(key=snapshot_keys, data=datas)
    def record_snapshot(self, key: tuple[str, str, int], data: Any) -> None:
        result = self.run(self.api.record_snapshot(self.store, *key, {"data": data}))
        assert (result.version, result.position) == (key[2], self.model.position)
        self.model.snapshots[key] = data

    @rule(key=snapshot_keys)
    def delete_snapshot(self, key: tuple[str, str, int]) -> None:
        self.run(self.api.delete_snapshot(self.store, *key))
        self.model.snapshots.pop(key, None)

    @rule(key=snapshot_keys, newest=st.booleans())
    def read_snapshot(self, key: tuple[str, str, int], newest: bool) -> None:
        versions = [version for *of, version in self.model.snapshots if of == list(key[:2])]
        wanted = max(versions, default=None) if newest else key[2] if key[2] in versions else None
        try:
            found = self.run(self.api.read_snapshot(self.store, *key[:2], None if newest else key[2]))
        except gater.NotFoundError:
            assert wanted is None
        else:
            assert (found.version, found.data) == (wanted, self.model.snapshots[(*key[:2], found.version)])

    # --- rules: reads ---

    @rule(stream=streams, start=st.integers(0, 20), size=st.sampled_from([1, 2, 3, 7, 50]), backward=st.booleans())
    def read_a_stream(self, stream: str, start: int, size: int, backward: bool) -> None:
        direction = "backward" if backward else "forward"
        found = self.run(self.api.get_events(self.store, stream, start, size, direction))
        self.same_events(found, self.model.read(stream, start, size, backward))
        read = self.api.stream_backward if backward else self.api.stream_forward
        found = self.run(all_of(read(self.store, stream, start, size)))
        self.same_events(found, self.model.read(stream, start, size, backward))

    @rule(after=st.integers(0, 60), size=st.sampled_from([1, 3, 20]), backward=st.booleans())
    def read_all(self, after: int, size: int, backward: bool) -> None:
        found = self.run(self.api.read_all(self.store, after, size, "backward" if backward else "forward"))
        visible = self.model.visible()
        below, above = [e for e in visible if e.position < after], [e for e in visible if e.position > after]
        self.same_events(found, below[::-1][:size] if backward else above[:size])

    @rule(stream=st.one_of(st.none(), streams), start=st.integers(0, 12))
    def follow(self, stream: str | None, start: int) -> None:
        events = self.model.visible(stream)
        wanted = [e for e in events if (e.position if stream is None else e.version) >= start]
        if wanted:
            selector = stream or "$all"
            found = self.run(first_of(self.api.subscribe(self.store, "by_stream", selector, start), len(wanted)))
            self.same_events(found, wanted)

    @rule(prefix=st.sampled_from([None, "a", "c"]), after=st.sampled_from([None, "b"]))
    def list_streams(self, prefix: str | None, after: str | None) -> None:
        wanted = [n for n in self.model.listed() if n.startswith(prefix or "") and n > (after or "")]
        assert self.run(self.api.get_streams(self.store, prefix, after)) == wanted
        assert self.run(self.api.get_streams(self.store, prefix, after, 1)) == wanted[:1]

    @rule()
    def look_at_everything(self) -> None:
        self.everything_is_the_same()

    def everything_is_the_same(self) -> None:
        async def compared() -> None:
            api, store, model = self.api, self.store, self.model
            visible = model.visible()
            self.same_events(await all_of(api.stream_all(store)), visible)
            self.same_events(await all_of(api.stream_all(store, None, "backward")), visible[::-1])
            for name in STREAMS:
                assert await api.get_version(store, name) == model.version(name)
                self.same_events(await all_of(api.stream_forward(store, name)), model.visible(name))
                self.same_events(await all_of(api.stream_backward(store, name)), model.visible(name)[::-1])
            assert await api.get_streams(store) == model.listed()
            snapshots = await api.list_snapshots(store)
            keys = [(s.source_uuid, s.stream_uuid, s.version) for s in snapshots]
            assert keys == sorted(model.snapshots)
            assert [s.data for s in snapshots] == [model.snapshots[key] for key in keys]
            report = await api.verify(store)
            assert report.problems == ()
            assert (report.events, report.position) == (len(model.events), model.position)
            assert report.streams == len(model.streams)
            status = await api.get_store_status(store)
            assert (status.state, status.position, status.waiting_commands) == ("running", model.position, 0)
            assert (status.streams, status.snapshots) == (len(model.streams), len(model.snapshots))

        self.run(compared())

    @invariant()
    def the_version_of_a_stream_is_the_same(self) -> None:
        name = STREAMS[self.model.position % len(STREAMS)]
        assert self.run(self.api.get_version(self.store, name)) == self.model.version(name)

    # --- what is compared ---

    def compare(self, work: Any, modelled: Callable[[], Any]) -> None:
        (outcome,) = self.run(self.gathered([work]))
        self.compare_outcome(outcome, modelled)

    def compare_outcome(self, outcome: Any, modelled: Callable[[], Any]) -> None:
        try:
            wanted = modelled()
        except RefusedError as refusal:
            wanted = refusal.code, refusal.fields
        if isinstance(outcome, GaterError):
            assert (outcome.code, outcome.details) == wanted
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            assert outcome == wanted

    def same_events(self, found: list[Event], wanted: list[Recorded]) -> None:
        shown = [Recorded(e.stream_id, e.version, e.position, str(e.event_id), e.data) for e in found]
        assert shown == wanted


class FileMachine(StoreMachine):
    """A store on a file, which is closed and opened again now and then."""

    @rule()
    def open_again(self) -> None:
        self.run(self.api_generator.aclose())
        self.api_generator = self.opening(self.store)
        self.api = self.run(anext(self.api_generator))


def in_folder(folder: Path) -> Opening:
    async def opened(store: str) -> AsyncGenerator[GaterApi, None]:
        async with gater.open(folder / store, stores=[store]) as api:
            yield api

    return opened


def test_a_file_store_does_what_the_model_does(quick_folder: Path) -> None:
    run_state_machine_as_test(lambda: FileMachine(in_folder(Path(mkdtemp(dir=quick_folder)))), settings=RUNS)


def test_a_file_store_with_tiny_bounds_does_what_the_model_does(
    quick_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page, cache, lag and batch is so small that its bound is met all the time."""
    for path, bound in TINY.items():
        monkeypatch.setattr(path, bound)
    run_state_machine_as_test(lambda: FileMachine(in_folder(Path(mkdtemp(dir=quick_folder)))), settings=RUNS)


TINY: Final = {
    "gater.store.reader.PAGE_EVENTS": 3,
    "gater.store.reader.PAGE_BYTES": 40,
    "gater.store.reader.SPAN": 4,
    "gater.store.reader.POSITIONS": 2,
    "gater.store.tail.MOST_EVENTS": 4,
    "gater.store.recent.LAG": 6,
    "gater.store.stream_index.LAG": 6,
    "gater.store.stream_index.RUNS_OF_STREAM": 3,
    "gater.store.stream_index.RUNS_IN_ALL": 5,
    "gater.store.heads.MOST_STREAMS": 2,
    "gater.store.type_index.MOST_TYPES": 1,
    "gater.store.batches.BATCH_COMMANDS": 3,
    "gater.store.lone_caller.LONELY_BATCHES": 1,
    "gater.store.store.LAG": 6,
    "gater.store.verification.LAG": 6,
    "gater.store.store.COMPACTED_AT_ONCE": 2,
    "gater.gateway.scans.PAGE_EVENTS": 3,
    "gater.subscriptions.catch_up.PAGE_EVENTS": 3,
    "gater.api.reading_api.PAGE_EVENTS": 2,
    "gater.api.listing.PAGE_EVENTS": 2,
}


def test_a_store_in_memory_does_what_the_model_does() -> None:
    async def opened(store: str) -> AsyncGenerator[GaterApi, None]:
        async with gater.open(":memory:", stores=[store]) as api:
            yield api

    run_state_machine_as_test(lambda: StoreMachine(opened), settings=RUNS)


def test_a_served_store_does_what_the_model_does(server: GaterServer) -> None:
    async def opened(store: str) -> AsyncGenerator[GaterApi, None]:
        async with gater.connect(server.url) as api:
            await api.create_store(store)
            try:
                yield api
            finally:
                await api.remove_store(store)

    run_state_machine_as_test(lambda: StoreMachine(opened), settings=RUNS)
