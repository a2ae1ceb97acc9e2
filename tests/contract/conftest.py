"""One fixture decides the way in; every test of this folder runs over each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from itertools import count
from pathlib import Path

import pytest

from gater import GaterApi
from gater.testing.server import GaterServer
from tests.contract.ways import BlockingRpc, Http, InMemory, InProcess, Rpc, Way

_numbers = count(1)


_SERVED = {way.name: way for way in (Rpc, BlockingRpc, Http)}


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: hundreds of stores are made, each with several syncs."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30:
        with tempfile.TemporaryDirectory(prefix="gater-", dir=memory) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="session")
def server(quick_folder: Path) -> Iterator[GaterServer]:
    """A server for all tests that need one."""
    with GaterServer(data_dir=quick_folder / "served") as running:
        yield running


@pytest.fixture(scope="session", params=["in-process", "in-memory", *_SERVED])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """The way in."""
    if request.param in _SERVED:
        server: GaterServer = request.getfixturevalue("server")
        served = _SERVED[request.param](server.url)
        yield served
        served.close()
    else:
        yield InMemory() if request.param == "in-memory" else InProcess()


@pytest.fixture
def store() -> str:
    """The name of the test's own store."""
    return f"store-{next(_numbers)}"


@pytest.fixture
def api(way: Way, store: str, quick_folder: Path) -> AsyncGenerator[GaterApi, None]:
    """The API, with the test's store made."""
    return way.opened(store, quick_folder / store)
