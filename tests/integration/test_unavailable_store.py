"""A node one of whose stores cannot be opened serves the others, and opens it as soon as it can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import GaterApi, NewEvent, StoreUnavailableError
from gater.gateway import stores
from gater.store.store_files import StoreFiles
from tests.contract.samples import until
from tests.integration.served import ORDERS, append, failure, served


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "RETRY_SECONDS", 0.02)


def hold(folder: Path) -> Callable[[], None]:
    """Have the store open elsewhere."""
    held = StoreFiles(folder, "orders")
    held.acquire()
    return held.release


def bar(folder: Path) -> Callable[[], None]:
    """Put something in the place of the lock file that cannot be opened, as without permission."""
    lock = StoreFiles(folder, "orders").lock
    lock.rename(lock.with_suffix(".aside"))
    lock.mkdir()

    def undo() -> None:
        lock.rmdir()
        lock.with_suffix(".aside").rename(lock)

    return undo


async def _is_served(api: GaterApi) -> bool:
    try:
        return len(await api.get_events("orders", "s")) == 1
    except StoreUnavailableError:
        return False


@pytest.mark.parametrize("close_off", [hold, bar])
async def test_others_are_served_until_it_can_be_opened(tmp_path: Path, close_off: Callable[..., Any]) -> None:
    async with gater.open(tmp_path, stores=["orders", "billing"]) as api:
        await api.append_events("orders", "s", [NewEvent("T", 1)])
    open_up = close_off(tmp_path)
    async with gater.open(tmp_path, stores=["orders", "billing"]) as api:
        await api.append_events("billing", "s", [NewEvent("T", 1)])
        states = {info.store.store_id: info.store.status for info in await api.list_stores()}
        assert states == {"billing": "active", "orders": "unavailable"}
        with pytest.raises(StoreUnavailableError):
            await api.get_events("orders", "s")
        with pytest.raises(StoreUnavailableError):
            await api.remove_store("orders")
        open_up()
        await until(lambda: _is_served(api))
        await api.append_events("orders", "s", [NewEvent("T", 2)], expected_version=0)
    async with gater.open(tmp_path) as api:
        assert len(await api.get_events("orders", "s")) == 2


async def test_store_that_cannot_be_opened_is_told_by_readiness_and_status(tmp_path: Path) -> None:
    async with served(tmp_path, stores=("orders", "billing")) as client:
        await append(client, "s", "T")
    let_go = hold(tmp_path / "data")
    async with served(tmp_path, stores=("orders", "billing")) as client:
        (reason,) = failure(await client.get("/health/ready"), 503, "store_unavailable")["reasons"]
        assert (reason["store"], reason["state"]) == ("orders", "unavailable")
        assert "this process has it open already" in reason["reason"]
        assert "this process" in failure(await client.get(f"{ORDERS}/events"), 503, "store_unavailable")["reason"]
        assert 'gater_store_state{state="unavailable",store="orders"} 1.0' in (await client.get("/metrics")).text
        let_go()

        async def is_ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(is_ready)
        assert len((await client.get(f"{ORDERS}/events")).json()["events"]) == 1


async def test_folder_none_of_whose_stores_can_be_opened_is_refused(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["orders"]):
        pass
    let_go = hold(tmp_path)
    with pytest.raises(StoreUnavailableError, match="this process"):
        async with gater.open(tmp_path, stores=["billing"]):
            pass
    let_go()
    async with gater.open(tmp_path) as api:
        assert [info.store.store_id for info in await api.list_stores()] == ["orders"]
