"""The transient subscriptions of a connection, which end with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from gater.api.operation import Operation
from gater.api.origin import NODE, Origin
from gater.api.subscription_operations import RemoveSubscriptionOperation, SaveSubscriptionOperation
from gater.model.errors import GaterError, OverloadedError
from gater.model.outcome import Done
from gater.model.selectors import Selector, parse_selector
from gater.model.subscriptions import TRANSIENT
from gater.store.subscription_reader import selector_json

MOST_TRANSIENT: Final = 1_000
"""Transient subscriptions that a connection may have."""


class Transients:
    """Counts the transient subscriptions of one connection, and ends what is left of them with it."""

    def __init__(self, dispatch: Callable[[Operation[Any], Origin, Done], None]) -> None:
        self._dispatch = dispatch
        self._made: Counter[tuple[str, bytes]] = Counter()
        self._selectors: dict[bytes, Selector] = {}

    def begin(self, operation: Operation[Any], done: Done) -> Done:
        """Wrap the callback for the outcome of an operation that the connection asks for."""
        if isinstance(operation, SaveSubscriptionOperation) and operation.subscription == TRANSIENT:
            if self._made.total() >= MOST_TRANSIENT:
                raise OverloadedError("transient subscriptions of a connection", MOST_TRANSIENT)
            return self._counting(operation, 1, done)
        if isinstance(operation, RemoveSubscriptionOperation) and operation.subscription == TRANSIENT:
            return self._counting(operation, -1, done)
        return done

    def _counting(self, operation: Any, step: int, done: Done) -> Done:
        def counted(answer: Any, error: GaterError | None) -> None:
            if error is None:
                selector = parse_selector(operation.selector)
                key = selector_json(selector)
                self._selectors[key] = selector
                self._made[operation.store, key] = max(self._made[operation.store, key] + step, 0)
            done(answer, error)

        return counted

    def end(self) -> None:
        """The connection is gone."""
        for (store, key), count in self._made.items():
            for _ in range(count):
                self._dispatch(RemoveSubscriptionOperation(store, self._selectors[key]), NODE, _ignore)
        self._made.clear()


def _ignore(answer: Any, error: GaterError | None) -> None:
    """Ignore the outcome: the connection is gone, and so may be the store."""
