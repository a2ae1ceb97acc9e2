"""The origin of a call: who makes it, from where, and what that caller may do."""

from __future__ import annotations

from typing import Final

import msgspec

from gater.config.tokens import SCOPES, Scope

EVERY_SCOPE: Final = frozenset(SCOPES)


class Origin(msgspec.Struct, frozen=True):
    """A caller: the name that logs use, what is allowed where (no stores: all of them), and its address."""

    name: str
    scopes: frozenset[Scope]
    stores: frozenset[str] = frozenset()
    stream_prefix: str = ""
    """The prefix of the streams that it is confined to; empty for none."""
    address: str | None = None
    """None within this process."""

    may_everything: bool = False
    """Whether nothing is forbidden; it follows from the other fields."""

    def __post_init__(self) -> None:
        unlimited = self.scopes == EVERY_SCOPE and not self.stores and not self.stream_prefix
        msgspec.structs.force_setattr(self, "may_everything", unlimited)


IN_PROCESS: Final = Origin("in-process", EVERY_SCOPE)
"""The application that opened the stores in its own process."""
NODE: Final = Origin("node", EVERY_SCOPE)
"""The node itself, which ends what its clients have left; that is not audited."""
