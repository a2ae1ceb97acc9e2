"""Standard streams that were closed before the program began."""

from __future__ import annotations

import os
import sys
from typing import Final

from gater.api.event_loop import closed_standard_descriptors

_MODES: Final = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
"""Standard output is opened for reading, so that what a command prints there fails instead of being lost."""


def open_standard_streams() -> None:
    """Open each standard stream that is closed on the null device, before something else takes its descriptor.

    Standard input is then empty, and messages on standard error vanish. A command that prints to a closed standard
    output fails, as it does when the disk behind it is full.
    """
    for number in closed_standard_descriptors():
        handle = os.open(os.devnull, _MODES[number])
        if handle != number:
            os.dup2(handle, number)
            os.close(handle)
    # Python leaves a stream out when its descriptor is closed at the start.
    sys.stdin = sys.stdin or os.fdopen(0, "r", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
