"""A client's and a server's session, with messages on their way between them, in every order that can happen."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gater.model.errors import NotFoundError
from gater.wire.client_session import ClientSession
from gater.wire.codec import HEADROOM, Bundle
from gater.wire.frames import CONNECTION, End, Failure, Item, Request, Response
from gater.wire.server_session import ServerSession, SessionLimits

LIMITS = SessionLimits(max_calls=4, max_streams=3)


class SessionsTogether(RuleBasedStateMachine):
    """What the client asks, what the server begins, and what comes back must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.client: ClientSession[str, str] = ClientSession()
        self.server = ServerSession({"scan"}, LIMITS)
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.asked: dict[str, int] = {}
        self.cancelled: set[str] = set()
        self.begun: Counter[int] = Counter()
        self.calls: list[int] = []
        self.streams: dict[int, int] = {}
        self.results: Counter[str] = Counter()
        self.items: dict[str, list[int]] = {}
        self.ended: set[str] = set()
        self.draining = False

    # --- the client ---

    @rule()
    def call(self) -> None:
        name = f"call {len(self.asked)}"
        self.asked[name] = self.client.call(name, "get", name)

    @rule(credit=st.integers(0, 3))
    def open(self, credit: int) -> None:
        name = f"stream {len(self.asked)}"
        self.asked[name] = self.client.open(name, "scan", name, credit)
        self.items[name] = []

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.asked)))
        self.client.cancel(self.asked[name])
        self.cancelled.add(name)

    @precondition(lambda self: self.items)
    @rule(data=st.data(), credit=st.integers(1, 3))
    def grant(self, data: Any, credit: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.items)))
        self.client.grant(self.asked[name], credit)

    @rule()
    def client_sends(self) -> None:
        self.to_server += _taken(self.client.outgoing)

    @precondition(lambda self: self.to_client)
    @rule()
    def client_receives(self) -> None:
        for name, frame in self.client.receive(self.to_client.pop(0)):
            assert name not in self.cancelled
            assert frame.id == self.asked[name]
            if isinstance(frame, Item):
                assert name not in self.ended
                self.items[name].append(msgspec.msgpack.decode(frame.item))
            else:
                assert isinstance(frame, End | Failure) if name in self.items else isinstance(frame, Response | Failure)
                self.ended.add(name)
                self.results[name] += 1
                if isinstance(frame, Response):
                    assert msgspec.msgpack.decode(frame.answer) == f"answer to {name}"

    # --- the server ---

    @precondition(lambda self: self.to_server)
    @rule()
    def server_receives(self) -> None:
        for frame in self.server.receive(self.to_server.pop(0)):
            if isinstance(frame, Request):
                assert not self.draining
                self.begun[frame.id] += 1
                if frame.operation == "scan":
                    self.streams[frame.id] = 0
                else:
                    self.calls.append(frame.id)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), fails=st.booleans())
    def server_answers(self, data: Any, fails: bool) -> None:
        request_id = data.draw(st.sampled_from(self.calls))
        self.calls.remove(request_id)
        if fails:
            self.server.fail(request_id, NotFoundError("thing", "x"))
        else:
            [name] = [name for name, asked in self.asked.items() if asked == request_id]
            self.server.answer(request_id, f"answer to {name}")

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def server_sends_item(self, data: Any) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.streams)))
        if self.server.may_send(request_id):
            self.server.item(request_id, self.streams[request_id])
            self.streams[request_id] += 1

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def server_ends_stream(self, data: Any) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.streams)))
        del self.streams[request_id]
        self.server.end(request_id)

    @rule()
    def server_sends(self) -> None:
        self.to_client += _taken(self.server.outgoing)

    @rule()
    def server_drains(self) -> None:
        self.server.drain("stopping")
        self.streams.clear()
        self.draining = True

    # --- what always holds ---

    @invariant()
    def nobody_broke_the_protocol(self) -> None:
        assert self.client.broken is None
        assert self.server.broken is None

    @invariant()
    def nothing_happens_twice(self) -> None:
        assert not self.begun or max(self.begun.values()) == 1
        assert not self.results or max(self.results.values()) == 1

    @invariant()
    def items_come_in_order_without_gap(self) -> None:
        assert all(items == list(range(len(items))) for items in self.items.values())

    @invariant()
    def limits_hold(self) -> None:
        assert self.server.calls <= LIMITS.max_calls
        assert self.server.streams <= LIMITS.max_streams

    def teardown(self) -> None:
        """In the end everyone who still waits has a result, unless the server went away before it began."""
        self.client_sends()
        while self.to_server:
            self.server_receives()
        for request_id in self.calls:
            self.server.fail(request_id, NotFoundError("thing", "x"))
        for request_id in self.streams:
            self.server.end(request_id)
        if self.draining:
            self.server.say_goodbye("stopping")
        self.server_sends()
        while self.to_client:
            self.client_receives()
        waiting = set(self.asked) - self.cancelled - set(self.results)
        assert self.draining or not waiting
        assert not waiting & {name for name in self.asked if self.begun[self.asked[name]]}
        assert (self.client.goodbye is not None) == self.draining
        assert CONNECTION not in self.begun


def _taken(bundle: Bundle) -> list[bytes]:
    return [bytes(bundle.take()[HEADROOM:])] if bundle.frames else []


TestSessionsTogether = SessionsTogether.TestCase
