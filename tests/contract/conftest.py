"""One fixture decides the way in; every test of this folder runs over each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import count
from pathlib import Path

import pytest

from gater import GaterApi
from tests.contract.ways import InMemory, InProcess, Way

_numbers = count(1)


@pytest.fixture(scope="session", params=["in-process", "in-memory"])
def way(request: pytest.FixtureRequest) -> Way:
    """The way in."""
    if request.param == "in-memory":
        return InMemory()
    return InProcess()


@pytest.fixture
def store() -> str:
    """The name of the test's own store."""
    return f"store-{next(_numbers)}"


@pytest.fixture
def api(way: Way, store: str, tmp_path: Path) -> AsyncGenerator[GaterApi, None]:
    """The API, with the test's store made."""
    return way.opened(store, tmp_path)
