"""The history of a store: kept as long as its events are the same, another one from a restore on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import gater
from gater.model.limits import Limits
from gater.store import queries
from gater.store.connection import open_file
from gater.store.store import Store, open_file_store
from tests.contract.samples import first_of, numbered, positions


async def write(folder: Path, events: int) -> str:
    """Append so many events to a store; returns its history."""
    async with gater.open(folder, stores=["s"]) as api:
        await api.append_events("s", "a", numbered(events))
        return (await api.get_store_status("s")).history


async def back_up(folder: Path, target: Path) -> None:
    async with gater.open(folder, stores=["s"]) as api:
        await api.backup("s", target)


def restore(backup: Path, folder: Path) -> None:
    """Put a file in the place of a store, as the guide says."""
    for old in folder.glob("s.*"):
        old.unlink()
    shutil.copy(backup, folder / "s.db")


async def history_of(folder: Path) -> str:
    return await write(folder, 0)


async def test_a_store_keeps_its_history_when_it_is_opened_again(tmp_path: Path) -> None:
    histories = {await write(tmp_path, events) for events in (0, 2, 0, 3)}
    assert len(histories) == 1
    assert len(histories.pop()) == 16


async def test_another_store_and_one_made_anew_have_other_histories(tmp_path: Path) -> None:
    histories = [await write(tmp_path / "other", 3)]
    for in_memory in (False, True):
        async with gater.open(tmp_path / str(in_memory)) as api:
            for _ in range(2):
                await api.create_store("s", in_memory=in_memory)
                histories.append((await api.get_store_status("s")).history)
                await api.remove_store("s")
    assert len(set(histories)) == 5


@pytest.mark.parametrize("how", ["backup", "file"])
async def test_a_restored_store_begins_a_history_that_shares_the_events_up_to_there(tmp_path: Path, how: str) -> None:
    former = await write(tmp_path, 3)
    if how == "backup":
        await back_up(tmp_path, tmp_path / "copy")
    else:
        shutil.copy(tmp_path / "s.db", tmp_path / "copy")
    assert await write(tmp_path, 2) == former
    restore(tmp_path / "copy", tmp_path)
    present = await write(tmp_path, 5)
    assert present != former
    assert await history_of(tmp_path) == present
    async with gater.open(tmp_path) as api:
        for start in (4, 6, gater.LIVE):
            with pytest.raises(gater.HistoryChangedError) as caught:
                await first_of(api.subscribe("s", start_from=start, history=former), 1)
            assert (caught.value.history, caught.value.shared) == (present, 3)
        assert positions(await first_of(api.subscribe("s", start_from=4, history=present), 2)) == [4, 5]


async def test_a_backup_that_is_restored_twice_begins_two_histories(tmp_path: Path) -> None:
    await write(tmp_path, 3)
    await back_up(tmp_path, tmp_path / "copy")
    found = set()
    for _ in range(3):
        restore(tmp_path / "copy", tmp_path)
        found.add(await write(tmp_path, 1))
    assert len(found) == 3


async def test_a_backup_of_a_store_in_memory_begins_another_history(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    async with gater.open(tmp_path) as api:
        await api.create_store("s", in_memory=True)
        await api.append_events("s", "a", numbered(2))
        former = (await api.get_store_status("s")).history
        await api.backup("s", tmp_path / "kept" / "s.db")
    assert await history_of(tmp_path / "kept") != former


async def test_a_file_of_an_earlier_gater_is_given_a_history_once(tmp_path: Path) -> None:
    await write(tmp_path, 2)
    connection = open_file(tmp_path / "s.db", cache_kib=64)
    connection.execute("DELETE FROM meta WHERE name = 'history'")
    connection.close()
    given = await history_of(tmp_path)
    assert len(given) == 16
    assert await history_of(tmp_path) == given


async def test_a_store_that_recovers_keeps_its_history_though_its_watermark_is_gone(tmp_path: Path) -> None:
    history = await write(tmp_path, 1)
    store: Store = await open_file_store(tmp_path, "s", Limits())
    (tmp_path / "s.watermark").write_bytes(b"")
    store._log._writer._reopen()  # type: ignore[attr-defined]
    await store.close()
    assert store.history.id == history
    connection = open_file(tmp_path / "s.db", cache_kib=64)
    assert queries.one(connection, queries.GET_META, ("history",)) == history
    connection.close()


async def test_receipts_of_before_a_restore_settle_nothing_after_it(tmp_path: Path) -> None:
    """Those of a restored backup in its second restore, too, and of a plain copy of the file."""
    await write(tmp_path, 2)
    async with gater.open(tmp_path) as api:
        await api.save_subscription("s", name="billing", ack_timeout=60)
    shutil.copy(tmp_path / "s.db", tmp_path / "copy")
    for _ in range(2):
        async with gater.open(tmp_path) as api:
            held = await api.pull_events("s", "billing", 2)
        restore(tmp_path / "copy", tmp_path)
        async with gater.open(tmp_path) as api:
            again = await api.pull_events("s", "billing", 1)
            for delivery in held[:1]:
                with pytest.raises(gater.NotFoundError):
                    await delivery_of(api, delivery)
            assert again[0].event.position == 1
            await api.ack_event("s", "billing", again[0])


async def delivery_of(api: gater.GaterApi, delivery: gater.Delivery) -> None:
    """Acknowledge what another connection was given."""
    await api.ack_event("s", "billing", delivery)
