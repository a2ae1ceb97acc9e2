"""A store that is open in this process: others say so, whatever name they found it under."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import gater
from gater import StoreUnavailableError

HERE = "this process has it open already: use the API that does, or close that first"


async def test_a_store_that_this_process_has_open_is_told_apart(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]):
        with pytest.raises(StoreUnavailableError) as caught:
            await gater.open(tmp_path)
        assert caught.value.reason == HERE
    async with gater.open(tmp_path):
        pass


@pytest.mark.parametrize("link", [os.link, os.symlink])
async def test_another_name_of_its_file_makes_no_difference(tmp_path: Path, link: object) -> None:
    async with gater.open(tmp_path / "a", stores=["s"]):
        (tmp_path / "b").mkdir()
        assert callable(link)
        link(tmp_path / "a" / "s.db", tmp_path / "b" / "t.db")
        with pytest.raises(StoreUnavailableError) as caught:
            await gater.open(tmp_path / "b")
        assert caught.value.reason == HERE
    (tmp_path / "b" / "t.db").unlink()


async def test_closing_unlocks_also_what_others_have_open(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.append_events("s", "a", [gater.NewEvent("T")])
        # As a child has them that was forked by a library, not by Python.
        inherited = _copies(tmp_path)
    assert len(inherited) >= 4
    async with gater.open(tmp_path) as api:
        assert await api.get_version("s", "a") == 0
    for descriptor in inherited:
        os.close(descriptor)


def _copies(folder: Path) -> list[int]:
    """Copies of all descriptors of files in a folder."""
    return [os.dup(int(link.name)) for link in Path("/proc/self/fd").iterdir() if _leads_to(link, folder)]


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return Path(os.readlink(link)).is_relative_to(folder)
    except OSError:  # the descriptor that lists them
        return False
