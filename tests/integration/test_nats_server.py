"""The NATS server for tests starts, keeps what is published, and ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import nats
import pytest
from nats.js.api import StorageType

import gater
from gater.testing.nats import NatsServer
from gater.testing.server_process import ServerError


async def test_server_takes_a_publish_and_keeps_it_over_a_kill() -> None:
    async with NatsServer() as server:
        folder, url = server.data_dir, server.url
        async with await nats.connect(server.url) as client:
            await client.jetstream().add_stream(name="s", subjects=["s.*"], storage=StorageType.FILE)
            published = await client.jetstream().publish("s.a", b"1")
        server.kill()
        server.start()
        assert server.url == url
        async with await nats.connect(server.url) as client:
            kept = await client.jetstream().get_msg("s", published.seq)
        assert kept.data == b"1"
        assert server.stop() == 0
    assert not folder.exists()


def test_folder_that_was_given_stays(tmp_path: Path) -> None:
    with NatsServer(data_dir=tmp_path / "data") as server:
        assert server.url.startswith("nats://127.0.0.1:")
        assert server.pid > 0
    assert (tmp_path / "data").exists()
    assert "Server is ready" in server.log


def test_server_that_does_not_start_says_why() -> None:
    with pytest.raises(ServerError, match="no such file"), NatsServer(arguments=["--config", "missing.conf"]):
        pass


def test_missing_program_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(gater.MissingExtraError) as caught, NatsServer():
        pass
    assert caught.value.code == "missing_extra"
