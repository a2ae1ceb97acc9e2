"""The resources that this process takes: memory, threads, processors."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class ProcessFigures(msgspec.Struct, frozen=True):
    """A look at the process; a number that this system does not tell is 0."""

    memory_bytes: int
    """Resident memory; where only its peak can be had, the peak."""
    memory_limit_bytes: int
    """What it may take: the limit of its container, or the memory of the machine."""
    threads: int
    cpus: int
    """Processors that it may use."""
    open_files: int = 0
    """Files and sockets that it has open."""
    open_files_limit: int = 0
    """How many it may have."""

    @property
    def memory_percent(self) -> float:
        """The part of its memory that is in use."""
        return 100 * self.memory_bytes / self.memory_limit_bytes if self.memory_limit_bytes else 0.0

    @property
    def open_files_percent(self) -> float:
        """The part of the files and sockets it may have that are open."""
        return 100 * self.open_files / self.open_files_limit if self.open_files_limit else 0.0


def process_figures() -> ProcessFigures:
    """The present figures of the process."""
    return ProcessFigures(
        _memory_bytes(), _memory_limit_bytes(), threading.active_count(), _cpus(), _open_files(), _open_files_limit()
    )


def _memory_bytes() -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return _peak_bytes()


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1_024


def _memory_limit_bytes() -> int:
    machine = 0
    with suppress(AttributeError, OSError, ValueError):
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # there is no such file outside a group, and "max" is no number
        group = int(_GROUP_LIMIT.read_text())
        return min(machine, group) if machine else group
    return machine


def _open_files() -> int:
    with suppress(OSError):
        return len(os.listdir(_DESCRIPTORS))
    return 0


def _open_files_limit() -> int:
    try:
        import resource
    except ImportError:
        return 0
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 0 if limit == resource.RLIM_INFINITY else limit


def _cpus() -> int:
    with suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
