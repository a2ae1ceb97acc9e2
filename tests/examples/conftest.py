"""One node for all examples; those that use the store `shop` begin without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import gater
from gater.testing.server import GaterServer


@pytest.fixture(scope="session")
def node() -> Iterator[GaterServer]:
    """A node."""
    with GaterServer(["greenhouse"]) as running:
        yield running


@pytest.fixture
def shop(node: GaterServer) -> Iterator[GaterServer]:
    """The node, without the store `shop` before and afterwards."""
    yield node
    with gater.connect_sync(node.url) as api:
        if "shop" in [info.store.store_id for info in api.list_stores()]:
            api.remove_store("shop")
