"""One node for all examples; each has a store of its own there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gater.testing.server import GaterServer


@pytest.fixture(scope="session")
def node() -> Iterator[GaterServer]:
    """A node."""
    with GaterServer(["greenhouse"]) as running:
        yield running
