"""The small parts of a store: places, imports, rows, backlog, tail, recent positions, watermark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.commands import StreamWrite
from gater.model.errors import (
    DuplicateEventError,
    OverloadedError,
    StreamDeletedError,
    WrongExpectedVersionError,
)
from gater.model.events import EventRow, ImportedEvent, payload_bytes
from gater.model.limits import Limits
from gater.store import tail as tail_module
from gater.store.backlog import Backlog
from gater.store.heads import DELETED, LIVE, TOMBSTONED, Head
from gater.store.importing import plan_import
from gater.store.places import Places
from gater.store.recent import RecentPositions
from gater.store.rows import insert_rows, select_in
from gater.store.tail import Tail
from gater.store.watermark import Watermark
from tests.unit.store.stores import raw_event


def row(position: int, stream: str = "s", version: int | None = None, size: int = 0, metadata: int = 0) -> EventRow:
    at = position - 1 if version is None else version
    return stream, at, position, bytes(16), "T", "x", bytes(size), bytes(metadata) or None, 0


class TestPlaces:
    def run_of(self, stored: dict[int, int], wanted: list[int]) -> Any:
        """What `run` says of these ids, when the ids of `stored` stand at its versions."""
        places = Places()
        for number, version in stored.items():
            places.add(raw_event(number).event_id, 99, version + 50, version + 500)
            places.add(raw_event(number).event_id, 1, version, version + 100)
        return places.run(Head(1, 20, 0, LIVE), StreamWrite("s", tuple(map(raw_event, wanted))))

    def test_a_run_is_found_whole(self) -> None:
        assert tuple(self.run_of({1: 4, 2: 5, 3: 6}, [1, 2, 3])) == (4, 6, 106)
        assert tuple(self.run_of({1: 4, 2: 5, 3: 6}, [2])) == (5, 5, 105)

    def test_new_events_are_no_run(self) -> None:
        assert self.run_of({1: 4}, [2, 3]) is None
        assert self.run_of({1: 4}, []) is None
        assert Places().run(None, StreamWrite("s", (raw_event(1),))) is None

    def test_the_same_id_in_another_stream_is_no_run(self) -> None:
        places = Places()
        places.add(raw_event(1).event_id, 2, 7, 8)
        assert places.run(Head(1, 20, 0, LIVE), StreamWrite("s", (raw_event(1),))) is None
        assert places.find(raw_event(1).event_id, 2) == (7, 8)
        assert places.find(raw_event(1).event_id, 1) is None

    @pytest.mark.parametrize("wanted", [[1, 9], [9, 1], [2, 1], [1, 3], [1, 2, 3, 9], [1, 1]])
    def test_anything_between_is_refused(self, wanted: list[int]) -> None:
        with pytest.raises(DuplicateEventError):
            self.run_of({1: 4, 2: 5, 3: 6}, wanted)

    def test_an_id_twice_is_refused_even_in_a_new_stream(self) -> None:
        with pytest.raises(DuplicateEventError) as caught:
            Places().run(None, StreamWrite("s", (raw_event(5), raw_event(6), raw_event(5))))
        assert caught.value.event_id == "00000000-0000-0000-0000-000000000005"


class _Heads:
    def __init__(self, heads: dict[str, Head]) -> None:
        self._heads = heads

    def get(self, name: str) -> Head | None:
        return self._heads.get(name)


class TestImporting:
    heads = _Heads(
        {"live": Head(1, 2, 0, LIVE), "deleted": Head(2, 2, 3, DELETED), "closed": Head(3, 2, 3, TOMBSTONED)}
    )

    def plan(self, *events: tuple[str, int, int]) -> list[tuple[str, int]]:
        places = Places()
        for version in range(3):
            places.add(raw_event(version).event_id, 1, version, version + 1)
        wanted = [ImportedEvent(stream, version, 0, raw_event(number)) for stream, version, number in events]
        return [(event.stream_id, event.version) for event in plan_import(wanted, self.heads, places)]  # type: ignore[arg-type]

    def test_what_is_here_is_passed_over(self) -> None:
        assert self.plan(("live", 0, 0), ("live", 1, 1), ("live", 2, 2)) == []
        assert self.plan(("live", 2, 2), ("live", 3, 30), ("live", 1, 1), ("live", 4, 31)) == [("live", 3), ("live", 4)]

    def test_a_new_stream_begins_anywhere_and_goes_on_without_a_hole(self) -> None:
        assert self.plan(("new", 7, 30), ("new", 8, 31)) == [("new", 7), ("new", 8)]
        with pytest.raises(WrongExpectedVersionError):
            self.plan(("new", 7, 30), ("new", 9, 31))

    @pytest.mark.parametrize("version", [0, 1, 2, 4, 9])
    def test_a_known_stream_goes_on_at_its_end(self, version: int) -> None:
        with pytest.raises(WrongExpectedVersionError) as caught:
            self.plan(("live", version, 30))
        assert caught.value.details == {"stream_id": "live", "expected": version - 1, "actual": 2}

    @pytest.mark.parametrize(
        "events",
        [
            [("live", 3, 1)],
            [("live", 0, 1)],
            [("new", 0, 30), ("new", 1, 30)],
            [("live", 3, 30), ("live", 4, 30)],
        ],
    )
    def test_an_id_that_stands_elsewhere_in_the_stream_is_refused(self, events: list[tuple[str, int, int]]) -> None:
        with pytest.raises(DuplicateEventError):
            self.plan(*events)

    def test_the_same_id_in_another_stream_is_new_there(self) -> None:
        assert self.plan(("new", 0, 1), ("other", 0, 1)) == [("new", 0), ("other", 0)]

    @pytest.mark.parametrize("stream", ["deleted", "closed"])
    def test_a_deleted_stream_is_refused(self, stream: str) -> None:
        with pytest.raises(StreamDeletedError):
            self.plan((stream, 3, 30))


class TestRows:
    @given(st.integers(0, 700))
    def test_every_row_is_inserted_once(self, count: int) -> None:
        connection = apsw.Connection(":memory:")
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        flat = [value for number in range(count) for value in (number, f"row {number}")]
        insert_rows(connection, "INSERT INTO t VALUES ", 2, flat)
        assert [list(found) for found in connection.execute("SELECT a, b FROM t ORDER BY a")] == [
            [number, f"row {number}"] for number in range(count)
        ]

    @given(st.lists(st.integers(0, 400), unique=True))
    def test_every_key_is_looked_up_once(self, keys: list[int]) -> None:
        connection = apsw.Connection(":memory:")
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        insert_rows(connection, "INSERT INTO t VALUES ", 1, list(range(300)))
        found = [key for (key,) in select_in(connection, "SELECT a FROM t WHERE a IN (?)", keys)]
        assert sorted(found) == sorted(key for key in keys if key < 300)


class TestBacklog:
    def test_commands_are_bounded(self) -> None:
        backlog = Backlog(Limits(max_waiting_commands=3))
        for _ in range(3):
            backlog.admit(10)
        with pytest.raises(OverloadedError) as caught:
            backlog.admit(0)
        assert caught.value.limit == 3
        assert (backlog.commands, backlog.bytes) == (3, 30)
        backlog.release(2, 20)
        backlog.admit(5)
        assert (backlog.commands, backlog.bytes) == (2, 15)

    def test_bytes_are_bounded_but_one_command_always_fits(self) -> None:
        backlog = Backlog(Limits(max_waiting_bytes=100))
        backlog.admit(500)
        with pytest.raises(OverloadedError):
            backlog.admit(1)
        backlog.release(1, 500)
        backlog.admit(60)
        backlog.admit(40)
        with pytest.raises(OverloadedError):
            backlog.admit(1)


class TestTail:
    def test_it_gives_what_follows_a_position(self) -> None:
        tail = Tail(10)
        assert tail.after(10, 5) == []
        assert tail.after(99, 5) == []
        tail.extend([row(11), row(12)])
        tail.extend([row(13)])
        assert tail.position == 13
        assert [event[2] for event in tail.after(10, 5) or []] == [11, 12, 13]
        assert [event[2] for event in tail.after(11, 1) or []] == [12]
        assert tail.after(13, 5) == []
        assert tail.after(9, 5) is None
        assert tail.after(0, 5) is None

    def test_it_forgets_the_oldest_batches_past_its_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tail_module, "MOST_EVENTS", 5)
        tail = Tail(0)
        for position in range(1, 20, 2):
            tail.extend([row(position), row(position + 1)])
        assert [event[2] for event in tail.after(16, 9) or []] == [17, 18, 19, 20]
        assert [event[2] for event in tail.after(17, 2) or []] == [18, 19]
        assert tail.after(15, 9) is None
        tail.extend([row(position) for position in range(21, 30)])
        assert tail.after(28, 9) is None
        assert tail.after(29, 9) == []
        tail.extend([row(30)])
        assert [event[2] for event in tail.after(29, 9) or []] == [30]

    @given(st.lists(st.integers(1, 6), max_size=30), st.integers(0, 110), st.integers(1, 8))
    def test_what_it_gives_is_a_run_that_follows_the_position(
        self, batches: list[int], position: int, limit: int
    ) -> None:
        tail, end = Tail(0), 0
        for size in batches:
            tail.extend([row(place) for place in range(end + 1, end + size + 1)])
            end += size
        given_back = tail.after(position, limit)
        assert given_back is not None
        assert [event[2] for event in given_back] == list(range(position + 1, min(position + limit, end) + 1))

    def test_its_bytes_are_bounded_metadata_included(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tail_module, "MOST_BYTES", 2 * payload_bytes(row(1, size=10, metadata=30)))
        tail = Tail(0)
        for position in range(1, 10):
            tail.extend([row(position, size=10, metadata=30)])
        assert [event[2] for event in tail.after(7, 9) or []] == [8, 9]
        assert tail.after(6, 9) is None
        tail.extend([row(10, size=500)])
        assert [event[2] for event in tail.after(9, 9) or []] == [10]

    def test_a_page_of_it_is_bounded_in_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tail_module, "PAGE_BYTES", 2 * payload_bytes(row(1, size=20, metadata=20)) + 1)
        tail = Tail(0)
        tail.extend([row(position, size=20, metadata=20) for position in range(1, 10)])
        assert [event[2] for event in tail.after(0, 9) or []] == [1, 2, 3]
        tail.extend([row(10, size=5_000)])
        assert [event[2] for event in tail.after(9, 9) or []] == [10]

    def test_hidden_events_are_let_go_and_it_goes_on_without_a_gap(self) -> None:
        tail = Tail(0)
        tail.extend([row(1), row(2)])
        tail.extend([row(3)], hides=None)
        assert tail.position == 3
        assert tail.after(2, 9) is None
        assert tail.after(3, 9) == []
        tail.extend([], hides=None)
        assert tail.position == 3
        tail.extend([row(4)])
        assert [event[2] for event in tail.after(3, 9) or []] == [4]
        assert tail.after(2, 9) is None


class TestRecentPositions:
    @given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), max_size=25), st.data())
    def test_it_knows_the_newest_versions_of_each_stream_without_a_hole(
        self, batches: list[list[str]], draw: st.DataObject
    ) -> None:
        recent, everything = RecentPositions(), dict[str, list[int]]()
        position = 0
        for batch in batches:
            rows = []
            for stream in batch:
                position += 1
                known = everything.setdefault(stream, [])
                known.append(position)
                rows.append(row(position, stream, len(known) - 1))
            recent.extend(rows)
        for stream, known in everything.items():
            assert recent.last_version(stream) == len(known) - 1
            assert recent.first_version(stream) == 0
            start, end = draw.draw(st.integers(0, 30)), draw.draw(st.integers(0, 30))
            assert list(recent.positions(stream, start, end)) == known[start:end]
            backward = [known[version] for version in range(start, end, -1) if version < len(known)]
            assert list(recent.positions_backward(stream, start, end)) == backward
        assert recent.last_version("z") is None
        assert list(recent.positions("z", 0, 9)) == list(recent.positions_backward("z", 9, 0)) == []

    def test_it_forgets_what_is_older_than_the_lag(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gater.store.recent.LAG", 10)
        recent = RecentPositions()
        recent.extend([row(1, "old", 0), row(2, "kept", 0)])
        for position in range(3, 40):
            recent.extend([row(position, "kept", position - 2)])
        assert recent.last_version("old") is None
        assert recent.first_version("kept") is not None
        first = recent.first_version("kept") or 0
        assert list(recent.positions("kept", first, 99)) == list(range(first + 2, 40))
        assert 10 <= 40 - (first + 2) <= 12

    @pytest.mark.parametrize("end", [0, -(1 << 63) + 1])
    def test_bounds_may_be_huge(self, end: int) -> None:
        recent = RecentPositions()
        recent.extend([row(1), row(2)])
        assert list(recent.positions("s", 0, (1 << 63) - 1)) == [1, 2]
        assert list(recent.positions("s", (1 << 63) - 1, (1 << 63) - 1)) == []
        assert list(recent.positions_backward("s", (1 << 63) - 1, end)) == ([2] if end == 0 else [2, 1])


class TestWatermark:
    def test_it_remembers_the_extent(self, tmp_path: Path) -> None:
        path = tmp_path / "w"
        watermark = Watermark(path)
        assert watermark.read() == 0
        for extent in (1, 5, 1 << 62):
            watermark.write(extent)
            assert watermark.read() == extent
        watermark.close()
        again = Watermark(path)
        assert again.read() == 1 << 62
        again.close()

    def test_every_flipped_bit_makes_it_forget(self, tmp_path: Path) -> None:
        path = tmp_path / "w"
        watermark = Watermark(path)
        watermark.write(123_456_789)
        sound = path.read_bytes()
        for bit in range(8 * len(sound)):
            damaged = bytearray(sound)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            assert watermark.read() == 0
        for length in range(len(sound)):
            path.write_bytes(sound[:length])
            assert watermark.read() == 0
        path.write_bytes(sound)
        assert watermark.read() == 123_456_789
        watermark.close()

    def test_a_disk_that_refuses_only_weakens_it(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        watermark = Watermark(tmp_path / "w")
        watermark.write(5)
        watermark.close()
        watermark.write(6)
        watermark.write(7)
        assert [record.message for record in caplog.records] == ["the watermark cannot be written"]
        again = Watermark(tmp_path / "w")
        assert again.read() == 5
        again.close()
