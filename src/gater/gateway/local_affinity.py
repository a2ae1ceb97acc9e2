"""The event loop and the process of an API on this process's own stores, and the advice for calls from elsewhere."""

from __future__ import annotations

from typing import Final

from gater.api.loop_affinity import LoopAffinity

ELSEWHERE: Final = "call it there, or use gater.open_sync, whose API any thread may call"
"""What a caller in another event loop is to do."""
FORKED: Final = "fork before the stores are opened, or have a node serve them and use gater.connect"
"""What a caller in a child of the process is to do."""


def local_affinity() -> LoopAffinity:
    """The affinity of an API that is not in use yet."""
    return LoopAffinity(elsewhere=ELSEWHERE, forked=FORKED)
