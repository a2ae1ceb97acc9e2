"""When to try again, and after how long: the rules of the client, without a clock or chance of their own."""

from __future__ import annotations

from typing import Any

import msgspec

from gater.api.operation import Operation
from gater.model.errors import GaterError, OverloadedError, TransientError


class Backoff(msgspec.Struct, frozen=True):
    """The delay before the next attempt to connect: doubling, bounded, with jitter."""

    first: float = 0.05
    longest: float = 2.0
    jitter: float = 0.5
    """The part of the delay that chance takes away at most."""

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row; `chance` is a number from 0 to 1."""
        if failures < 1:
            return 0.0
        longest: float = min(self.first * 2 ** min(failures - 1, 32), self.longest)
        return longest * (1.0 - self.jitter * chance)


def may_send_again(operation: Operation[Any], begun: bool) -> bool:
    """Whether an operation that a lost connection left without answer may be sent again.

    It may if doing it twice is doing it once, or if the server cannot have begun it.
    """
    return operation.repeatable or not begun


def may_connect_again(error: GaterError) -> bool:
    """Whether a refused or failed connection is worth another attempt within the same call.

    Not when the server said no, nor when it said that it has too much to do.
    """
    return isinstance(error, TransientError) and not isinstance(error, OverloadedError)
