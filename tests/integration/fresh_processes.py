"""Fresh processes for tests: forked from one that has imported what they need, and has no threads."""

from __future__ import annotations

import multiprocessing
from typing import Final

FRESH: Final = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(
    [
        "tests.integration.forks",
        "tests.integration.stopping_nodes",
        "litestar.plugins.pydantic",  # imported with the first application that is built
    ]
)
