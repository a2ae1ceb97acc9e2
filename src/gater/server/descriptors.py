"""File descriptors of the process: how many connections they allow beside the files of its stores."""

from __future__ import annotations

from typing import Final

from gater.telemetry.process import process_figures

KEPT_PART: Final = 8
"""Of all descriptors, one in so many is kept for files."""
LEAST_KEPT: Final = 64
"""So many are kept for files in any case."""


def connections_within(wanted: int) -> int | None:
    """The number of connections that can be open beside the files that are open, and some more; None when nothing
    limits them.

    The process gets descriptors for as many as are wanted, if the system lets it.
    """
    _raise_limit((wanted + LEAST_KEPT) * KEPT_PART // (KEPT_PART - 1) + LEAST_KEPT)
    process = process_figures()
    limit = process.open_files_limit
    if not limit:
        return None
    return max(limit - process.open_files - max(limit // KEPT_PART, LEAST_KEPT), 0)


def _raise_limit(wanted: int) -> None:
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
