"""What fails where no caller hears of it is logged by a node, and does not keep it from stopping."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import gater
from gater.store.store import Store
from tests.integration.served import node


def failing() -> None:
    raise ZeroDivisionError("a defect")


async def failing_later() -> None:
    failing()


async def until_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in caplog.text:
            await asyncio.sleep(0.001)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Failures that the handlers of the application, set before the node was started, are told of."""
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    return told


async def test_a_node_logs_what_its_callbacks_tasks_and_threads_raise(
    tmp_path: Path, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    handler = loop.get_exception_handler()
    async with node(tmp_path):
        loop.call_soon(failing)
        await until_logged(caplog, "a task or callback failed")
        caplog.clear()
        task: Any = asyncio.create_task(failing_later())
        await asyncio.wait([task])
        del task
        await until_logged(caplog, "a task or callback failed")
        threading.Thread(target=failing, name="some").start()
        await until_logged(caplog, "a thread ended with an error")
    assert len(heard) == 3
    assert loop.get_exception_handler() is handler
    assert threading.excepthook == heard.append
    loop.set_exception_handler(before)


async def test_a_store_that_cannot_be_closed_keeps_no_other_from_being_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    close = Store.close

    async def closing(store: Store, *, remove: bool = False) -> None:
        await close(store, remove=remove)
        if store.id == "a":
            failing()

    async with gater.open(tmp_path, stores=["a", "b"]):
        monkeypatch.setattr(Store, "close", closing)
    assert "a store cannot be closed" in caplog.text
    async with gater.open(tmp_path) as api:
        assert len(await api.list_stores()) == 2
