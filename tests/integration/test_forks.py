"""Forks: a client connects anew in the child, stores are refused there at once, and no child keeps a lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import gater
from gater.testing.server import GaterServer
from tests.integration import forks
from tests.integration.fresh_processes import FRESH

SECONDS = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[GaterServer]:
    """A server for all tests that need one."""
    with GaterServer() as running:
        yield running


@pytest.fixture
def url(server: GaterServer) -> str:
    """Where it is reached, with an empty store `orders`."""
    with gater.connect_sync(server.url) as api:
        with suppress(gater.StoreNotFoundError):
            api.remove_store("orders")
        api.create_store("orders")
    return server.url


def run(scenario: Callable[..., None], *arguments: object) -> None:
    """Run a function of `forks` in a fresh process; what it raises, fails the test."""
    receiving, sending = FRESH.Pipe(duplex=False)
    process = FRESH.Process(target=forks.tell, args=(sending, scenario, [str(one) for one in arguments]))
    process.start()
    sending.close()
    assert receiving.poll(SECONDS), "it hangs"
    failure = receiving.recv()
    process.join()
    assert not failure, failure


def test_a_client_connects_anew_in_a_child(url: str) -> None:
    run(forks.a_client_connects_anew, url)


def test_a_client_that_is_busy_when_its_process_forks_connects_anew(url: str) -> None:
    run(forks.a_busy_client_connects_anew, url)


def test_iterators_and_deliveries_of_the_parent_are_refused_in_a_child(url: str) -> None:
    run(forks.what_the_parent_follows_is_not_followed_on, url)


def test_an_api_is_not_sent_to_another_process(url: str) -> None:
    run(forks.nothing_is_sent_to_another_process, url)


def test_stores_of_the_parent_are_refused_in_a_child_at_once(tmp_path: Path) -> None:
    run(forks.stores_are_refused, tmp_path)


def test_async_apis_of_the_parent_are_refused_in_a_child(tmp_path: Path, url: str) -> None:
    run(forks.async_apis_are_refused, tmp_path, url)


def test_a_living_child_holds_no_lock_of_a_store(tmp_path: Path) -> None:
    run(forks.a_child_holds_no_lock, tmp_path)


def test_a_living_child_holds_no_connection_of_its_parent(url: str) -> None:
    run(forks.a_child_holds_no_connection, url)


def test_a_child_does_not_end_a_server_for_tests() -> None:
    run(forks.a_testing_server_is_the_parents)
