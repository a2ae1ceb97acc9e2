"""One fixture decides the way in; every test of this folder runs over each."""

from __future__ import annotations

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
def server() -> Iterator[GaterServer]:
    """A server for all tests that need one."""
    with GaterServer() as running:
        yield running


@pytest.fixture(scope="session", params=["in-process", "in-memory", *_SERVED])
def way(request: pytest.FixtureRequest) -> Way:
    """The way in."""
    if request.param in _SERVED:
        server: GaterServer = request.getfixturevalue("server")
        return _SERVED[request.param](server.url)
    return InMemory() if request.param == "in-memory" else InProcess()


@pytest.fixture
def store() -> str:
    """The name of the test's own store."""
    return f"store-{next(_numbers)}"


@pytest.fixture
def api(way: Way, store: str, tmp_path: Path) -> AsyncGenerator[GaterApi, None]:
    """The API, with the test's store made."""
    return way.opened(store, tmp_path)
