"""The node of the memory suite: one for all its tests, for starting one takes longer than most loads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gater.testing.server import GaterServer
from tests.load.loaded_node import LoadedNode
from tests.load.stored import fill
from tests.load.well_behaved import WellBehavedClient

WELL_BEHAVED_STORE = "calm"


@pytest.fixture(scope="session")
def running_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedNode]:
    data_dir: Path = tmp_path_factory.mktemp("data")
    asyncio.run(fill(data_dir))
    with (
        GaterServer([WELL_BEHAVED_STORE], data_dir=data_dir) as server,
        WellBehavedClient(server.url, WELL_BEHAVED_STORE) as client,
    ):
        yield LoadedNode(server, client)


@pytest.fixture
def node(running_node: LoadedNode) -> LoadedNode:
    """The node, of which the most memory that it has had is forgotten."""
    running_node.begin()
    return running_node
