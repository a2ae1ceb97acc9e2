"""A store that cannot be made or opened leaves nothing open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gater.model.errors import GaterError
from gater.model.limits import Limits
from gater.store.store import new_config, open_file_store
from tests.unit.store.faulty_files import KINDS, Kind, use_faulty_files

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="shows no open files")


def open_files() -> set[str]:
    """What the descriptors of this process stand for, but for what others of its threads open and close."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue  # the descriptor that lists them
    return {name for name in found if name.startswith("/") and ".db" in name}


@pytest.mark.parametrize("makes", [True, False], ids=["make", "open"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_failure_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, makes: bool
) -> None:
    faults = use_faulty_files(monkeypatch)
    config, before = new_config("s", tmp_path, memory=False), open_files()
    if not makes:
        await (await open_file_store(tmp_path, "s", Limits(), config)).close()
    for number in range(1, 30, 2):
        faults.arm(kind, number, lasting=True)
        try:
            store = await open_file_store(tmp_path, "s", Limits(), config if makes else None)
        except GaterError:
            faults.disarm()
            assert open_files() == before
            continue
        faults.disarm()
        await store.close()
        break
    assert open_files() == before
