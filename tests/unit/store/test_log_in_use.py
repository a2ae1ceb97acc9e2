"""Damage to the write-ahead log of an open store: never served, never copied, found by `verify` and at opening."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import apsw
import pytest

from gater.model.errors import StoreCorruptError
from gater.model.limits import Limits
from gater.store import checkpointing, write_ahead_log
from gater.store.checksums import add_words, is_sound_frame
from gater.store.connection import SCAN_CACHE_KIB, open_file
from gater.store.store import Store, new_config, open_file_store
from gater.store.write_ahead_log import Header, LogFile, damage_at_rest, damage_in_use, frames_in_use, opened
from tests.unit.store.stores import event_of, write

EVENTS = 40
FRAME = 24 + 4_096


@pytest.fixture
def store(tmp_path: Path) -> AsyncGenerator[Store, None]:
    return filled(tmp_path)


async def filled(folder: Path) -> AsyncGenerator[Store, None]:
    store = await open_file_store(folder, "s", Limits(), new_config("s", folder, memory=False))
    for number in range(EVENTS):
        await write(store, f"s-{number % 3}", event_of(data=b'"' + b"abcdefgh" * 100 + b'"'))
    yield store
    await store.close()


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


def damage_events(folder: Path) -> int:
    """Change a letter in every payload in the log; returns how many were changed."""
    log = folder / "s.db-wal"
    content = log.read_bytes()
    with log.open("r+b") as file:
        for place in (places := [n for n in range(len(content)) if content.startswith(b'"abcdefgh', n)]):
            file.seek(place + 5)
            file.write(b"X")
    return len(places)


async def append_for_ever(store: Store) -> None:
    async with asyncio.timeout(20):
        while True:
            await write(store, "t", event_of(), event_of())


def in_file(folder: Path) -> bytes:
    return (folder / "s.db").read_bytes()


def test_the_checksum_of_a_frame_is_the_same_by_both_ways() -> None:
    rng = random.Random(3)
    for size in (512, 4_096, 32_768, 65_536):
        for _ in range(20):
            before = rng.getrandbits(32), rng.getrandbits(32)
            head, page = rng.randbytes(16), rng.randbytes(size)
            sums = add_words(add_words(before, head[:8], False), page, False)
            header = head + sums[0].to_bytes(4, "big") + sums[1].to_bytes(4, "big")
            assert is_sound_frame(before, header, page, False)
            changed = bytearray(page)
            changed[rng.randrange(size)] ^= 1
            assert not is_sound_frame(before, header, bytes(changed), False)


async def test_a_damaged_event_is_not_served(store: Store, tmp_path: Path) -> None:
    assert damage_events(tmp_path) > EVENTS
    with pytest.raises(StoreCorruptError), store.reading():
        store.reader.read_all(0, EVENTS, store.tail.position)
    assert store.status().state == "corrupt"


async def test_an_undamaged_log_is_sound(store: Store) -> None:
    assert len(store.reader.read_all(0, EVENTS, store.tail.position).events) == EVENTS
    assert (await store.verify()).ok


async def test_every_flipped_bit_of_a_frame_in_use_is_found(store: Store, tmp_path: Path) -> None:
    rng = random.Random(7)
    path = tmp_path / "s.db-wal"
    connection = open_file(tmp_path / "s.db", cache_kib=SCAN_CACHE_KIB)
    frames, _ = frames_in_use(connection)
    with opened(path) as log:
        for place in [*range(32), *(rng.randrange(32, 32 + frames * FRAME) for _ in range(200))]:
            flip(path, place)
            assert damage_in_use(connection, log, copied_too=True), place
            flip(path, place)
            assert not damage_in_use(connection, log, copied_too=True)
    connection.close()


async def test_every_damaged_page_of_frames_that_are_compared_together_is_found(store: Store, tmp_path: Path) -> None:
    rng = random.Random(11)
    path = tmp_path / "s.db-wal"
    connection = open_file(tmp_path / "s.db", cache_kib=SCAN_CACHE_KIB)
    frames, _ = frames_in_use(connection)
    with opened(path) as log:
        for frame in [*range(frames), *(rng.randrange(frames) for _ in range(100))]:
            place = 32 + frame * FRAME + rng.choice([rng.randrange(8), rng.randrange(8, 16), rng.randrange(24, FRAME)])
            flip(path, place)
            assert damage_in_use(connection, log, copied_too=False) == (
                f"frame {frame + 1} of {frames} in the write-ahead log is damaged"
            )
            flip(path, place)
            log.compared = None
            assert not damage_in_use(connection, log, copied_too=False)
            log.compared = None
    connection.close()


async def test_frames_are_compared_once_before_they_are_copied(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    look = LogFile.frames

    def frames(log: LogFile, header: Header, first: int, count: int) -> list[tuple[bytes, bytes]]:
        looked_at.extend(range(first, first + count))
        return look(log, header, first, count)

    monkeypatch.setattr(LogFile, "frames", frames)
    connection = open_file(tmp_path / "s.db", cache_kib=SCAN_CACHE_KIB)
    with opened(tmp_path / "s.db-wal") as log:
        before, _ = frames_in_use(connection)
        assert not damage_in_use(connection, log, copied_too=False)
        await write(store, "t", event_of())
        now, _ = frames_in_use(connection)
        assert not damage_in_use(connection, log, copied_too=False)
        assert looked_at == [*range(1, now + 1)]
        flip(tmp_path / "s.db-wal", 32 + (before - 1) * FRAME + 2_000)
        assert damage_in_use(connection, log, copied_too=True)
        monkeypatch.setattr(write_ahead_log, "COMPARED_SECONDS", -1.0)
        assert damage_in_use(connection, log, copied_too=False)
    connection.close()


async def test_verify_finds_damage_in_the_log_that_nothing_reads(store: Store, tmp_path: Path) -> None:
    flip(tmp_path / "s.db-wal", 32 + 24 + 2_000)  # the first frame was replaced by later ones
    report = await store.verify()
    assert not report.ok
    assert "frame 1 " in report.problems[0]


async def test_a_checkpoint_leaves_damage_in_the_log_and_ends_writing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = in_file(tmp_path)
    damage_events(tmp_path)
    monkeypatch.setattr(checkpointing, "PAGES_TO_START", 1)
    with pytest.raises(StoreCorruptError, match="frame"):
        await append_for_ever(store)
    assert in_file(tmp_path) == before
    assert store.status().state == "corrupt"


async def test_closing_leaves_damage_in_the_log_where_opening_finds_it(store: Store, tmp_path: Path) -> None:
    before = in_file(tmp_path)
    damage_events(tmp_path)
    await store.close()
    assert in_file(tmp_path) == before
    log = (tmp_path / "s.db-wal").read_bytes()
    for _ in range(2):
        with pytest.raises(StoreCorruptError, match="write-ahead log"):
            await open_file_store(tmp_path, "s", Limits())
        assert (tmp_path / "s.db-wal").read_bytes() == log


async def test_a_copy_of_a_damaged_log_is_refused(store: Store, tmp_path: Path) -> None:
    damage_events(tmp_path)
    with pytest.raises(StoreCorruptError):
        await store.copy_to(tmp_path / "copy.db")


async def test_a_log_that_was_cut_short_is_no_damage_by_itself(store: Store, tmp_path: Path) -> None:
    log = (tmp_path / "s.db-wal").read_bytes()
    cut = tmp_path / "cut-wal"
    rng = random.Random(5)
    for _ in range(40):
        end = rng.randrange(32, 32 + 60 * FRAME)
        cut.write_bytes(log[:end] + bytes(rng.choice((0, 9_000))))
        assert damage_at_rest(cut) == ""
    cut.write_bytes(bytes(50_000))
    assert damage_at_rest(cut) == ""
    assert damage_at_rest(tmp_path / "none") == ""


async def test_what_a_rolled_back_transaction_left_is_no_damage(store: Store, tmp_path: Path) -> None:
    writing = open_file(tmp_path / "s.db", cache_kib=1)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("UPDATE meta SET value = zeroblob(900000) WHERE name = 'compacted'")
    writing.execute("ROLLBACK")
    writing.execute("UPDATE meta SET value = 0 WHERE name = 'compacted'")
    writing.close()
    assert damage_at_rest(tmp_path / "s.db-wal") == ""
    assert (await store.verify()).ok


async def test_a_reader_meets_damage_as_sqlite_meets_it_in_the_file(store: Store, tmp_path: Path) -> None:
    damage_events(tmp_path)
    reading = open_file(tmp_path / "s.db", read_only=True, cache_kib=SCAN_CACHE_KIB)
    with pytest.raises(apsw.IOError, match="damaged") as met:
        reading.execute("SELECT data FROM events").fetchall()
    assert met.value.extendedresult == apsw.SQLITE_IOERR_DATA
    reading.close()
