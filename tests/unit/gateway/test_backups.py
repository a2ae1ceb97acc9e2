"""Backups that are being sent: few at once, removed as soon as their reader is gone or stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from gater.api import operations as op
from gater.api.origin import IN_PROCESS
from gater.gateway import backups
from gater.gateway.backups import MOST_BACKUPS
from gater.gateway.gateway import Gateway
from gater.model.errors import OverloadedError, StoreUnavailableError
from tests.unit.gateway.calls import on_files


@pytest.fixture
def gateway(tmp_path: Path) -> AsyncGenerator[Gateway, None]:
    return opened(tmp_path)


async def opened(folder: Path) -> AsyncGenerator[Gateway, None]:
    async with on_files(folder, "s") as made:
        yield made


def copies(folder: Path) -> int:
    return len(list(folder.glob(".backup-*/copy")))


async def begun(gateway: Gateway) -> AsyncGenerator[bytes, None]:
    """A backup of which the first part was read."""
    items = gateway.stream(op.BackupStore("s"), IN_PROCESS)
    assert (await anext(items)).startswith(b"SQLite format 3\0")
    return items


async def test_only_so_many_are_sent_at_once(gateway: Gateway, tmp_path: Path) -> None:
    sent = [await begun(gateway) for _ in range(MOST_BACKUPS)]
    with pytest.raises(OverloadedError) as refused:
        await begun(gateway)
    assert (refused.value.what, refused.value.limit) == ("backups", MOST_BACKUPS)
    assert copies(tmp_path) == MOST_BACKUPS
    await sent.pop().aclose()
    assert copies(tmp_path) == MOST_BACKUPS - 1
    sent.append(await begun(gateway))
    for items in sent:
        async for _ in items:
            pass
    assert copies(tmp_path) == 0
    await (await begun(gateway)).aclose()


async def test_one_that_is_not_read_is_removed(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backups, "STALLED_SECONDS", 0.02)
    sent = [await begun(gateway) for _ in range(MOST_BACKUPS)]
    async with asyncio.timeout(10):
        while copies(tmp_path):
            await asyncio.sleep(0.01)
    assert caplog.text.count("a backup is not read, and removed") == MOST_BACKUPS
    with pytest.raises(StoreUnavailableError) as refused:
        await anext(sent[0])
    assert "was not read" in refused.value.reason
    again = await begun(gateway)  # those that stand still keep no other from being made
    await again.aclose()
    for items in sent:
        await items.aclose()
