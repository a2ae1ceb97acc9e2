"""Where the commands of a test go."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from gater.testing.server import GaterServer
from tests.integration.cli.places import Place

_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[GaterServer]:
    """One server for all tests of a process."""
    with GaterServer() as running:
        yield running


@pytest.fixture(params=["server", "data-dir"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A server, or a folder that nobody serves; with an empty store."""
    where = ("--data-dir", str(tmp_path / "data"))
    if request.param == "server":
        where = ("--url", request.getfixturevalue("server").url)
    return _with_store(where)


@pytest.fixture
def served(server: GaterServer) -> Place:
    """The server, with an empty store."""
    return _with_store(("--url", server.url))


def _with_store(where: tuple[str, str]) -> Place:
    place = Place(where, f"store-{next(_numbers)}")
    place.said("stores", "create", place.store)
    return place
