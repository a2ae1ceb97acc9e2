"""A short slice of the mixed load under mixed faults, in every test run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.torture.mixed import FAULTS, mix_repeatedly

MIXED_FAULTS = 8


@pytest.mark.torture
@pytest.mark.timeout(240)
def test_every_change_and_verb_keeps_its_promise_through_mixed_faults(tmp_path: Path) -> None:
    report = asyncio.run(mix_repeatedly(tmp_path, MIXED_FAULTS, seed=20_261_128))
    assert report.violations == []
    assert report.killed.keys() == FAULTS.keys()
    assert report.events > MIXED_FAULTS
    assert report.deliveries > report.redeliveries > 0
