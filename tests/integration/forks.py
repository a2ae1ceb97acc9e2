"""What happens in forked processes, as programs of their own: a test runner has threads that a fork would not survive.

Each function is run in a fresh process, and raises when something is not as it should be.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import pickle
import select
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

import gater
from gater import BlockingGaterApi, NewEvent
from gater.testing.server_process import ServerProcess

WAIT = 10.0

logging.getLogger("gater").addHandler(logging.NullHandler())


def in_child(work: Callable[[], object]) -> str:
    """What a function gives, or raises, in a forked child, as text."""
    child = Child(work)
    answer = child.said()
    child.end()
    return answer


class Child:
    """A forked process that says what a function gave, and lives on until it is ended."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.write(writing, _outcome(work).encode())
            os.close(writing)
            signal.pause()
        os.close(writing)

    def said(self) -> str:
        """What the function gave or raised; it may not take long."""
        assert select.select([self._reading], [], [], WAIT)[0], "the child hangs"
        return os.read(self._reading, 65_536).decode()

    def end(self) -> None:
        """Kill it."""
        os.close(self._reading)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _outcome(work: Callable[[], object]) -> str:
    try:
        return str(work())
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def append(api: BlockingGaterApi, stream: str = "order-1") -> int:
    """The version of an event that was appended."""
    return api.append_events("orders", stream, [NewEvent("OrderPlaced", {"total": 12})]).version


def a_client_connects_anew(url: str) -> None:
    """Used before the fork or never, with a time of its own, in a grandchild, at first by many threads."""
    with gater.connect_sync(url) as unused, gater.connect_sync(url) as used:
        channel = used.pubsub("events")
        assert in_child(lambda: append(unused)) == "0"
        assert append(used) == 1
        assert in_child(lambda: append(used)) == "2"
        assert in_child(lambda: append(used.with_timeout(5.0))) == "3"
        assert in_child(lambda: in_child(lambda: append(used))) == "4"
        assert in_child(lambda: channel.broadcast("t", 1)) == "0"
        assert in_child(lambda: next(channel.subscribe("t"), None) if append(used) < 0 else "listened") == "listened"
        assert in_child(lambda: _by_many_threads(used)) == "[0, 1, 2, 3, 4, 5, 6, 7]"
        assert in_child(lambda: used.close() or "closed") == "closed"
        assert append(used) == append(unused) - 1
    assert in_child(lambda: append(used)).startswith("ApiClosedError: ")


def _by_many_threads(api: BlockingGaterApi) -> list[int]:
    versions: list[int] = []
    threads = [threading.Thread(target=lambda: versions.append(append(api, "many"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [thread.name for thread in threading.enumerate()].count("gater-loop") == 1
    return sorted(versions)


def a_busy_client_connects_anew(url: str) -> None:
    """While threads of the parent call, and others wait in iterators, whose locks a fork may catch."""
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            append(api, f"busy-{threading.get_ident()}")

    def follow() -> None:
        with suppress(gater.ApiClosedError, gater.StoreUnavailableError):
            for _ in api.subscribe("orders"):
                pass

    with gater.connect_sync(url) as api:
        append(api)
        threads = [threading.Thread(target=work) for work in (call, call, follow)]
        for thread in threads:
            thread.start()
        for _ in range(15):
            assert in_child(lambda: api.get_version("orders", "order-1")) == "0"
        stop.set()
        api.close()
        for thread in threads:
            thread.join()


def what_the_parent_follows_is_not_followed_on(url: str) -> None:
    """Iterators and deliveries of the parent are refused in the child; there, they can be asked for anew."""
    with gater.connect_sync(url) as api:
        append(api)
        append(api)
        api.save_subscription("orders", name="mail")
        events, deliveries = api.subscribe("orders"), api.consume("orders", "mail")
        next(events)
        delivery = next(deliveries)
        pulled = api.pull_events("orders", "mail")
        for refused in (lambda: next(events), lambda: next(deliveries), delivery.ack, *(one.ack for one in pulled)):
            assert in_child(refused).startswith("WrongContextError: "), refused
        assert in_child(events.close) == "None"
        assert in_child(lambda: next(api.subscribe("orders")).version) == "0"
        delivery.ack()
        assert next(events).version == 1


def stores_are_refused(folder: str) -> None:
    """At once, whatever is asked; the parent's store goes on, and a child may leave the block as it likes."""
    with gater.open_sync(folder, stores=["orders"]) as api:
        append(api)
        events = api.subscribe("orders")
        next(events)
        for use in (lambda: append(api), lambda: next(events), lambda: next(api.subscribe("orders")), api.list_stores):
            answer = in_child(use)
            assert answer.startswith("WrongContextError: "), answer
            assert "before this process was forked" in answer or "made before" in answer, answer
        assert in_child(lambda: _left(api)) == "left"
        assert in_child(lambda: append(gater.open_sync(f"{folder}/other", stores=["orders"]))) == "0"
        assert in_child(lambda: gater.open_sync(folder)).startswith("StoreUnavailableError: ")
        assert "another process has it open" in in_child(lambda: gater.open_sync(folder))
        assert append(api) == 1
    with gater.open_sync(folder) as api:
        assert append(api) == 2


def _left(api: BlockingGaterApi) -> str:
    with api:
        return "left"


def async_apis_are_refused(folder: str, url: str) -> None:
    """On a new event loop of the child, and on the inherited one."""
    loop = asyncio.new_event_loop()
    connected, opened = gater.connect(url), gater.open(folder, stores=["orders"])

    async def use(api: gater.GaterApi) -> int:
        return (await api.append_events("orders", "order-1", [NewEvent("OrderPlaced")])).version

    async def leave(api: gater.GaterApi) -> str:
        async with api:
            return "never"

    async def fork_within() -> None:
        api = await gater.open(f"{folder}/within", stores=["orders"])
        await api.save_subscription("orders", name="mail")
        consumer, events = api.consumer("orders", "mail"), api.subscribe("orders")
        async with api, consumer, events:
            await use(api)
            await anext(consumer)
            await anext(events)
            for work in (lambda: use(api), consumer.__anext__, events.__anext__):
                answer = in_child(lambda work=work: work().send(None))  # type: ignore[misc]
                assert answer.startswith("WrongContextError: "), answer
            for leave in (lambda: api.__aexit__(None, None, None), consumer.aclose, events.aclose):
                assert in_child(lambda leave=leave: leave().send(None)).startswith("StopIteration")  # type: ignore[misc]

    asyncio.run(fork_within())
    assert in_child(lambda: asyncio.run(use(connected))) == "0"
    for api in (connected, opened):
        loop.run_until_complete(use(api))
        for run in (asyncio.run, loop.run_until_complete):
            for work in (use, leave):
                answer = in_child(lambda run=run, work=work, api=api: run(work(api)))  # type: ignore[misc]
                assert answer.startswith("WrongContextError: "), answer
            assert in_child(lambda run=run, api=api: run(api.close())) == "None"
        assert loop.run_until_complete(use(api)) > 0
        loop.run_until_complete(api.close())
    loop.close()


def a_child_holds_no_lock(folder: str) -> None:
    """Neither after the parent has closed the store, nor after the parent was killed; it cannot take it over."""
    reading, writing = os.pipe()

    def open_later() -> object:
        os.read(reading, 1)
        return gater.open_sync(folder)

    with gater.open_sync(folder, stores=["orders"]) as api:
        append(api)
        child = Child(open_later)
    with gater.open_sync(folder) as again:
        append(again)
    os.write(writing, b"x")
    answer = child.said()
    assert answer.startswith("WrongContextError: "), answer
    assert "open when this process was forked" in answer
    child.end()
    orphan = _orphan(folder)
    with gater.open_sync(folder) as after:
        assert append(after) == 3
    os.kill(orphan, signal.SIGKILL)


def _orphan(folder: str) -> int:
    """The process id of a grandchild whose parent had the store open when it was killed."""

    def open_and_fork() -> object:
        append(gater.open_sync(folder))
        return Child(lambda: "lives").pid

    parent = Child(open_and_fork)
    orphan = int(parent.said())
    parent.end()
    return orphan


def nothing_is_sent_to_another_process(url: str) -> None:
    """An API cannot be pickled, and says so; with `fork` it can be given as it is."""
    with gater.connect_sync(url) as api:
        for one in (api, gater.connect(url), api.with_timeout(1.0)):
            with suppress(gater.WrongContextError):
                pickle.dumps(one)
                raise AssertionError("it was pickled")
        process = multiprocessing.get_context("fork").Process(target=append, args=(api,))
        process.start()
        process.join(WAIT)
        assert process.exitcode == 0
        assert api.get_version("orders", "order-1") == 0


def a_testing_server_is_the_parents() -> None:
    """A child that leaves the block of a server neither stops it nor removes its files."""
    with Sleeper(None, "gater-") as server:
        assert in_child(lambda: server.__exit__(None, None, None)) == "None"
        assert server.is_running
        assert server.data_dir.is_dir()
    assert not server.data_dir.exists()


class Sleeper(ServerProcess):
    """A server that does nothing."""

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(["sleep", "60"])

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._running().poll() is None


def tell(listener: Connection[str, str], scenario: Callable[..., None], arguments: list[str]) -> None:
    """Run one of these functions, and tell what it raised, if anything."""
    try:
        scenario(*arguments)
    except BaseException:
        listener.send(traceback.format_exc())
        raise
    listener.send("")


def a_child_holds_no_connection(url: str) -> None:
    """The server notices at once that a consumer was killed, although a child of it lives on."""
    kept: list[object] = []

    def consume_and_fork() -> int:
        api = gater.connect_sync(url)
        append(api)
        consumer = api.consume("orders", "mail")
        kept.extend([consumer, next(consumer)])
        return Child(os.getpid).pid

    with gater.connect_sync(url) as observer:
        observer.save_subscription("orders", name="mail")
        parent = Child(consume_and_fork)
        living = int(parent.said())
        try:
            assert observer.get_subscription("orders", "mail").consumers == 1
            parent.end()
            deadline = time.monotonic() + WAIT
            while observer.get_subscription("orders", "mail").consumers:
                assert time.monotonic() < deadline, "the connection is open although its process has ended"
                time.sleep(0.02)
        finally:
            os.kill(living, signal.SIGKILL)
