"""Who calls, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gater.api import operations as op
from gater.api import subscription_operations as sub
from gater.api.operation import Operation
from gater.api.origin import Origin
from gater.config.settings import Settings
from gater.config.tokens import SCOPES, Scope, Token
from gater.gateway.permissions import authorise
from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import PermissionDeniedError, SubscriptionNotFoundError, UnauthenticatedError
from gater.model.events import ImportedEvent, RawEvent
from gater.model.selectors import Selector, by_event_type, by_stream, stream_prefix
from gater.model.snapshots import Snapshot
from gater.server.auth import ANONYMOUS, Authenticator, authenticator

LOCAL = {"host": "127.0.0.1:4001"}
READER = Token(token="reader-token", scopes=("read",), name="reader")
WRITER = Token(token="writer-token", scopes=("append",), stores=("orders",), stream_prefix="order-")


def bearer(token: str) -> dict[str, str]:
    return {**LOCAL, "authorization": f"Bearer {token}"}


def caller(*scopes: Scope, stores: tuple[str, ...] = (), prefix: str = "") -> Origin:
    return Origin("test", frozenset(scopes), frozenset(stores), prefix)


def test_token_names_its_caller() -> None:
    known = Authenticator([READER, WRITER], anonymous=False)
    assert known.authenticate(bearer("reader-token")) == Origin("reader", frozenset({"read"}))
    found = known.authenticate({"authorization": "bearer  writer-token "})
    assert (found.name, found.stores, found.stream_prefix) == ("token 2", frozenset({"orders"}), "order-")


def test_token_is_known_by_its_digest() -> None:
    known = Authenticator([Token(sha256=READER.digest.hex(), scopes=("read",))], anonymous=False)
    assert known.authenticate(bearer("reader-token")).scopes == {"read"}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "A token is needed"),
        ({"authorization": ""}, "not of the form"),
        ({"authorization": "Basic cmVhZGVyOng="}, "not of the form"),
        ({"authorization": "Bearer"}, "not known here"),
        ({"authorization": "Bearer reader-tokem"}, "not known here"),
        ({"authorization": "Bearer réader-tokén"}, "not known here"),
    ],
)
def test_caller_without_a_known_token_is_refused(headers: Mapping[str, str], words: str) -> None:
    with pytest.raises(UnauthenticatedError, match=words):
        Authenticator([READER], anonymous=False).authenticate(headers)


def test_wrong_token_is_refused_where_anonymous_callers_are_not() -> None:
    with pytest.raises(UnauthenticatedError):
        Authenticator([READER], anonymous=True).authenticate(bearer("another-token"))


def test_anonymous_caller_has_every_scope() -> None:
    assert Authenticator([], anonymous=True).authenticate(LOCAL) == ANONYMOUS
    assert ANONYMOUS.scopes == {"read", "append", "subscribe", "admin"}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8000", "http://["])
def test_page_of_another_site_may_not_call_without_a_token(origin: str) -> None:
    known = Authenticator([READER], anonymous=True)
    with pytest.raises(PermissionDeniedError, match="may not call this node without a token"):
        known.authenticate({**LOCAL, "origin": origin})
    assert known.authenticate({**bearer("reader-token"), "origin": origin}).name == "reader"


@pytest.mark.parametrize(
    "sent",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "\xff"},
        {"referer": "http://evil.example/page"},
        {"referer": "http://127.0.0.1:4002/"},
        {"referer": "http://evil.example/127.0.0.1:4001/"},
    ],
)
def test_page_of_another_site_may_not_even_get_without_a_token(sent: dict[str, str]) -> None:
    with pytest.raises(PermissionDeniedError):
        Authenticator([], anonymous=True).authenticate({**LOCAL, **sent})
    assert Authenticator([READER], anonymous=True).authenticate({**bearer("reader-token"), **sent}).name == "reader"


@pytest.mark.parametrize(
    "sent",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"referer": "http://127.0.0.1:4001/docs"},
        {"origin": "http://127.0.0.1:4001", "sec-fetch-site": "same-origin"},
    ],
)
def test_page_of_the_node_itself_may_get(sent: dict[str, str]) -> None:
    assert Authenticator([], anonymous=True).authenticate({**LOCAL, **sent}) == ANONYMOUS


def test_page_of_the_node_itself_may_call() -> None:
    known = Authenticator([], anonymous=True, local_names_only=True)
    assert known.authenticate({**LOCAL, "origin": "http://127.0.0.1:4001"}) == ANONYMOUS


@pytest.mark.parametrize("host", ["evil.example:4001", "evil.example", "[", "localhost.evil.example"])
def test_loopback_node_is_not_addressed_by_other_names(host: str) -> None:
    with pytest.raises(PermissionDeniedError, match="must address this node as localhost"):
        authenticator(Settings()).authenticate({"host": host})


@pytest.mark.parametrize("host", ["localhost", "localhost:4001", "gater.localhost", "127.0.0.1:1", "[::1]:4001"])
def test_loopback_node_is_addressed_by_loopback_names(host: str) -> None:
    assert authenticator(Settings()).authenticate({"host": host}) == ANONYMOUS


def test_any_name_is_fine_where_anonymous_callers_were_asked_for() -> None:
    known = authenticator(Settings(allow_anonymous=True))
    assert known.authenticate({"host": "gater.internal"}) == ANONYMOUS


def test_missing_scope_is_refused_and_named() -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        authorise(caller("read", "subscribe"), op.AppendStreams("orders", ()))
    assert caught.value.details == {"operation": "append_streams", "scope": "append"}


def test_admin_does_not_include_reading() -> None:
    with pytest.raises(PermissionDeniedError):
        authorise(caller("admin"), op.GetVersion("orders", "order-1"))


def test_token_of_a_store_is_for_that_store_only() -> None:
    reader = caller("read", stores=("orders", "billing"))
    authorise(reader, op.GetVersion("billing", "bill-1"))
    with pytest.raises(PermissionDeniedError, match="not for this store"):
        authorise(reader, op.GetVersion("people", "john"))
    with pytest.raises(PermissionDeniedError, match="not for this store"):
        authorise(reader, op.ListStores())


RAW = RawEvent(b"0" * 16, "T", "application/json", b"{}")


def snapshot(stream: str) -> Snapshot:
    return Snapshot("source", stream, 1, "application/json", b"{}", None, "", 1, 0)


@pytest.mark.parametrize(
    "operation",
    [
        op.ReadStream("s", "a-1"),
        op.ScanStream("s", "a-1"),
        op.GetVersion("s", "a-1"),
        op.GetStreams("s", prefix="a-"),
        op.AppendStreams("s", (StreamWrite("a-1", (RAW,)), StreamWrite("a-2", (RAW,))), (StreamGuard("a-3", 0),)),
        op.ImportPage("s", (ImportedEvent("a-1", 0, 0, RAW),)),
        op.DeleteStreamOperation("s", "a-1"),
        op.TruncateStreamOperation("s", "a-1", 1),
        op.RecordSnapshotOperation("s", snapshot("a-1")),
        op.ReadSnapshot("s", "source", "a-1"),
        op.DeleteSnapshotOperation("s", "source", "a-1", 1),
        op.ListSnapshots("s", None, "a-1"),
        sub.SubscribeOperation("s", by_stream("a-1")),
        sub.SubscribeOperation("s", stream_prefix("a-1")),
        sub.SubscribeOperation("s", by_event_type("T") & stream_prefix("a-")),
        sub.SaveSubscriptionOperation("s", by_stream("a-1"), "billing"),
        sub.RemoveSubscriptionOperation("s", by_stream("a-1"), "billing"),
        op.ReadAll("s", selector=stream_prefix("a-")),
        op.ScanAll("s", selector=stream_prefix("a-")),
    ],
    ids=lambda operation: operation.name,
)
def test_prefix_covers_what_stays_within_it(operation: Operation[Any]) -> None:
    authorise(caller(*SCOPES, prefix="a-"), operation)
    with pytest.raises(PermissionDeniedError, match="certain prefix"):
        authorise(caller(*SCOPES, prefix="b-"), operation)


@pytest.mark.parametrize(
    "operation",
    [
        op.ReadAll("s"),
        op.ScanAll("s"),
        op.GetStreams("s"),
        op.GetStreams("s", prefix="a"),
        op.AppendStreams("s", (StreamWrite("a-1", (RAW,)),), (StreamGuard("b-1", 0),)),
        op.AppendStreams("s", (StreamWrite("a-1", (RAW,)), StreamWrite("b-1", (RAW,)))),
        op.ListSnapshots("s"),
        sub.SubscribeOperation("s", by_stream()),
        sub.SubscribeOperation("s", by_event_type("T")),
        sub.SubscribeOperation("s", by_stream("a-1") | by_stream("b-1")),
        sub.SaveSubscriptionOperation("s", by_event_type("T"), "billing"),
        sub.RemoveSubscriptionOperation("s", by_event_type("T"), "billing"),
        sub.GetSubscriptions("s"),
        op.ReadAll("s", selector=by_event_type("T")),
        op.GetStoreStatus("s"),
        op.CreateStore("s"),
        op.BackupStore("s"),
        op.VerifyStore("s"),
        op.CompactStore("s"),
    ],
    ids=lambda operation: operation.name,
)
def test_prefix_does_not_cover_what_reaches_further(operation: Operation[Any]) -> None:
    authorise(caller(*SCOPES), operation)
    with pytest.raises(PermissionDeniedError, match="certain prefix"):
        authorise(caller(*SCOPES, prefix="a-"), operation)


NAMED = [
    sub.GetSubscription("s", "billing"),
    sub.Consume("s", "billing"),
    sub.Pull("s", "billing"),
    sub.Settle("s", "billing"),
    sub.ListParked("s", "billing"),
    sub.ReplayParkedOperation("s", "billing"),
    sub.DiscardParkedOperation("s", "billing"),
    sub.RewindSubscriptionOperation("s", "billing", 1),
]


def saved(store: str, name: str) -> Selector:
    """What the only durable subscription selects."""
    if (store, name) != ("s", "billing"):
        raise SubscriptionNotFoundError(store, name)
    return stream_prefix("a-1")


@pytest.mark.parametrize("operation", NAMED, ids=lambda operation: operation.name)
def test_prefix_covers_a_subscription_by_what_it_selects(operation: Operation[Any]) -> None:
    authorise(caller(*SCOPES, prefix="a-"), operation, saved)
    with pytest.raises(PermissionDeniedError, match="certain prefix"):
        authorise(caller(*SCOPES, prefix="b-"), operation, saved)


@pytest.mark.parametrize("operation", NAMED, ids=lambda operation: operation.name)
def test_prefix_covers_no_subscription_whose_selector_is_not_known(operation: Operation[Any]) -> None:
    with pytest.raises(PermissionDeniedError, match="certain prefix"):
        authorise(caller(*SCOPES, prefix="a-"), operation)
    authorise(caller(*SCOPES), operation)


def test_unknown_subscription_is_not_found_by_who_is_confined() -> None:
    with pytest.raises(SubscriptionNotFoundError):
        authorise(caller(*SCOPES, prefix="a-"), sub.GetSubscription("s", "nothing"), saved)
