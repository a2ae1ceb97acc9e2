"""Transient subscriptions of a connection: counted, bounded, and ended with it."""

from __future__ import annotations

from typing import Any

import pytest

from gater.api.operation import Operation
from gater.api.operations import GetVersion
from gater.api.origin import NODE, Origin
from gater.api.subscription_operations import RemoveSubscriptionOperation, SaveSubscriptionOperation
from gater.model.errors import GaterError, OverloadedError, StoreNotFoundError
from gater.model.selectors import Selector, by_event_type, by_stream
from gater.server import rpc_transients
from gater.server.rpc_transients import Transients

T, U = by_event_type("T"), by_event_type("U")


class Gateway:
    """Remembers what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[Operation[Any]] = []

    def dispatch(self, operation: Operation[Any], origin: Origin, done: Any) -> None:
        """Remember it."""
        assert origin is NODE
        self.asked.append(operation)
        done(None, StoreNotFoundError("s"))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def transients(gateway: Gateway) -> Transients:
    return Transients(gateway.dispatch)


def ask(transients: Transients, operation: Operation[Any], error: GaterError | None = None) -> list[Any]:
    """Let the connection ask for an operation that ends so; what it was told."""
    told: list[Any] = []
    transients.begin(operation, lambda answer, error: told.append((answer, error)))("answer", error)
    return told


def save(selector: Selector, name: str = "transient", store: str = "s") -> SaveSubscriptionOperation:
    return SaveSubscriptionOperation(store, selector, name)


def remove(selector: Selector, store: str = "s") -> RemoveSubscriptionOperation:
    return RemoveSubscriptionOperation(store, selector)


def test_what_was_made_is_removed_with_the_connection(gateway: Gateway, transients: Transients) -> None:
    for operation in (save(T), save(T), save(U), save(T, store="other")):
        assert ask(transients, operation) == [("answer", None)]
    transients.end()
    assert gateway.asked == [remove(T), remove(T), remove(U), remove(T, "other")]
    transients.end()
    assert len(gateway.asked) == 4


def test_what_was_removed_before_is_not_removed_again(gateway: Gateway, transients: Transients) -> None:
    for operation in (save(T), save(T), remove(T), remove(U), save(U), remove(U), remove(U)):
        ask(transients, operation)
    transients.end()
    assert gateway.asked == [remove(T)]


def test_what_was_refused_was_not_made(gateway: Gateway, transients: Transients) -> None:
    refusal = StoreNotFoundError("s")
    assert ask(transients, save(T), refusal) == [("answer", refusal)]
    ask(transients, save(U))
    ask(transients, remove(U), refusal)
    transients.end()
    assert gateway.asked == [remove(U)]


def test_durable_ones_and_other_operations_are_no_concern_of_it(gateway: Gateway, transients: Transients) -> None:
    for operation in (save(T, "billing"), GetVersion("s", "a"), RemoveSubscriptionOperation("s", T, "billing")):
        assert ask(transients, operation) == [("answer", None)]
    transients.end()
    assert gateway.asked == []


def test_equal_selectors_are_counted_together(gateway: Gateway, transients: Transients) -> None:
    ask(transients, save(by_stream("a")))
    ask(transients, remove(Selector("by_stream", "a")))
    transients.end()
    assert gateway.asked == []


def test_a_connection_has_no_more_than_allowed(transients: Transients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_transients, "MOST_TRANSIENT", 2)
    ask(transients, save(T))
    ask(transients, save(U))
    with pytest.raises(OverloadedError) as caught:
        ask(transients, save(T))
    assert caught.value.limit == 2
    ask(transients, remove(U))
    ask(transients, save(T))
