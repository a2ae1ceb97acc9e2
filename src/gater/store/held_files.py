"""The files that this process has locked: it knows a refusal of its own making, and a child of it holds none of them.

Locks of the open file description (`flock`, and those of `file_guard`) are shared with the children of a process: as
long as one of them has the descriptor, they outlive the process. So a child closes its descriptors at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from gater.model.errors import WrongContextError

Key = tuple[int, int]


class HeldFiles:
    """Locked files of this process by device and number, each with what closes it in a child."""

    def __init__(self) -> None:
        self._held: dict[Key, Callable[[], object]] = {}
        self._inherited: set[Key] = set()
        """What the parent held when this process was forked."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def add(self, descriptor: int, forget: Callable[[], object]) -> None:
        """Note a file that this process has locked."""
        self._held[_key(descriptor)] = forget

    def discard(self, descriptor: int) -> None:
        """Note that a file is about to be unlocked."""
        self._held.pop(_key(descriptor), None)

    def refusal(self, descriptor: int) -> str:
        """The reason why a file cannot be locked, in the words of other refusals."""
        if _key(descriptor) in self._held:
            return "this process has it open already: use the API that does, or close that first"
        return "another process has it open"

    def refuse_inherited(self, descriptor: int) -> None:
        """WrongContextError for a file that was held when this process was forked, even if it is no longer.

        SQLite keeps, for all connections of a process together, which locks it has; in a child that is wrong.
        """
        if _key(descriptor) in self._inherited:
            raise WrongContextError(
                "the store was open when this process was forked: open it in one that was started or forked before"
            )

    def _forget(self) -> None:
        held, self._held = self._held, {}
        self._inherited |= held.keys()
        for forget in held.values():
            forget()


def _key(descriptor: int) -> Key:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


HELD: Final = HeldFiles()
