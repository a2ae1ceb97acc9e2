"""A layer of files that fails on demand: the n-th call of a kind, or all from there on."""

from __future__ import annotations

import threading
from typing import Final, Literal

import apsw
import pytest

from gater.store import checked_log, connection, write_ahead_log
from gater.store.checksums import CHECKSUM_VFS, load_checksum_vfs

FAULTY_VFS: Final = "faulty"
Kind = Literal["open", "read", "write", "sync", "truncate"]
KINDS: Final[tuple[Kind, ...]] = ("open", "read", "write", "sync", "truncate")


class Faults:
    """Which call fails next; each store file opened through the layer asks here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kind: Kind | None = None
        self._left = 0
        self._lasting = False
        self.hits = 0

    def arm(self, kind: Kind, number: int, *, lasting: bool = False) -> None:
        """Let the call of that number, counted from 1, fail; with `lasting` all after it as well."""
        with self._lock:
            self._kind, self._left, self._lasting, self.hits = kind, number, lasting, 0

    def disarm(self) -> int:
        """Let every call succeed again; returns how many have failed."""
        with self._lock:
            self._kind = None
            return self.hits

    def ask(self, kind: Kind) -> None:
        """Fail when it is this call's turn."""
        with self._lock:
            if kind != self._kind:
                return
            self._left -= 1
            if self._left > 0 or (self._left < 0 and not self._lasting):
                return
            self.hits += 1
        if kind == "open":
            raise apsw.CantOpenError("no more descriptors")
        raise apsw.FullError("no room") if kind == "write" else apsw.IOError(f"a {kind} failed")


class _File(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], faults: Faults) -> None:
        super().__init__(CHECKSUM_VFS, name, flags)
        self._faults = faults

    def xRead(self, amount: int, offset: int) -> bytes:
        self._faults.ask("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._faults.ask("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._faults.ask("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:
        self._faults.ask("truncate")
        super().xTruncate(newsize)


class _Vfs(apsw.VFS):
    def __init__(self) -> None:
        load_checksum_vfs()
        super().__init__(FAULTY_VFS, base=CHECKSUM_VFS)
        self.faults = Faults()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        self.faults.ask("open")
        return _File(name, flags, self.faults)


_vfs: list[_Vfs] = []


def use_faulty_files(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Have stores opened through the layer; nothing fails before it is armed."""
    if not _vfs:
        _vfs.append(_Vfs())
    monkeypatch.setattr(connection, "CHECKSUM_VFS", FAULTY_VFS)
    monkeypatch.setattr(checked_log, "CHECKSUM_VFS", FAULTY_VFS)
    monkeypatch.setattr(write_ahead_log, "FILE_LAYER", FAULTY_VFS)
    _vfs[0].faults = Faults()
    return _vfs[0].faults
