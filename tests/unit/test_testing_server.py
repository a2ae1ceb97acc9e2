"""The server for tests is not touched by the settings of the process that tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from gater.testing.server import GaterServer


def test_settings_of_the_environment_do_not_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GATER_PORT", "GATER_MAX_STREAMS", "EX_ESDB_DATA_DIR", "GATER_CONFIG", "GATER_LOG_FORMAT"):
        monkeypatch.setenv(variable, "nonsense")
    with GaterServer(["orders"], data_dir=tmp_path / "data", environment={"GATER_LOG_FORMAT": "json"}) as server:
        assert (tmp_path / "data" / "orders.db").exists()
        assert '"message"' in server.log or '"event"' in server.log
