"""Fixtures for tests of the gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from gater.gateway.gateway import Gateway
from tests.unit.gateway.calls import in_memory


@pytest.fixture
def gateway() -> AsyncGenerator[Gateway, None]:
    """A gateway with the store `s` in memory."""
    return _opened()


async def _opened() -> AsyncGenerator[Gateway, None]:
    async with in_memory("s") as made:
        yield made
