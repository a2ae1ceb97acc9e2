"""A short slice of the fault runs, in every test run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.torture.kills import kill_repeatedly

KILLS = 10


@pytest.mark.torture
@pytest.mark.timeout(240)
def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    report = asyncio.run(kill_repeatedly(tmp_path, KILLS, seed=20_261_123))
    assert report.violations == []
    assert report.events > KILLS
