"""The subscriptions of the API over HTTP, with the methods of SubscriptionApi; consuming is made of pulls."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import NoneType
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from gater import Event, GaterError, InvalidArgumentError, NotFoundError
from gater.api.notices import Notice
from gater.model.selectors import Selector, parse_selector
from gater.model.subscriptions import GroupSettings, ParkedEvent, SubscriptionConfig, SubscriptionInfo
from tests.contract.http_requests import HttpRequests, as_text, event_of, path_part, raise_shown, store_path

PULL_SECONDS = 0.5
"""How long a consumer waits for events before it asks again."""
MOST_QUERY_TEXT = 60_000
"""Characters of a field that fit into the head of a request."""
CONSUMER_LEFT = "its consumer left"


class HttpSubscriptions(HttpRequests):
    """What is about subscriptions."""

    async def subscribe(
        self,
        store: str,
        type: Any = "by_stream",
        selector: Any = None,
        start_from: Any = 0,
        *,
        notices: bool = False,
        history: Any = None,
    ) -> AsyncGenerator[Any, None]:
        parameters = {**_selecting(type, selector), "start_from": as_text(start_from)}
        if history is not None:
            parameters["history"] = as_text(history)
        async for kind, identity, data in self._messages(store_path(store) + "/subscribe", parameters):
            if kind == "error":
                raise_shown(data)
            if kind:
                assert identity == f"{data['next'] - 1}@{data['history']}"
                if notices:
                    yield Notice(kind)
            else:
                event = event_of(data)
                assert identity.partition("@")[0] in (str(event.position), str(event.version))
                yield event

    async def save_subscription(
        self,
        store: str,
        type: Any = None,
        selector: Any = None,
        name: Any = "",
        start_from: Any = None,
        **settings: Any,
    ) -> SubscriptionConfig:
        if name == "":
            raise InvalidArgumentError("name", "over HTTP it is part of the path")
        if start_from is not None and (isinstance(start_from, bool) or not isinstance(start_from, int)):
            pytest.skip("over HTTP a field of another type is a validation_error")
        body = {"start_from": start_from, "settings": settings}
        if type is not None:
            body["selector"] = _where(type, selector)
        return _config(await self._call("PUT", _subscription(store, name), raw=_json_text(body).encode()))

    async def remove_subscription(self, store: str, type: Any = None, selector: Any = None, name: Any = "") -> None:
        """Over HTTP a subscription is removed by its name alone, so one of another selector is left alone here."""
        if name == "":
            raise InvalidArgumentError("name", "over HTTP it is part of the path")
        found = await self._call("GET", store_path(store) + "/subscriptions")
        if type is not None and any(
            one["name"] == name and parse_selector(one["selector"]) != parse_selector(_where(type, selector))
            for one in found["subscriptions"]
        ):
            return
        assert await self._call("DELETE", _subscription(store, name), parameters={"confirm": name}) is None

    async def add_transient_subscription(self, *_: Any) -> SubscriptionConfig:
        pytest.skip("over HTTP there is no connection that a transient subscription could end with")

    async def remove_transient_subscription(self, *_: Any) -> None:
        pytest.skip("over HTTP there is no connection that a transient subscription could end with")

    async def get_subscriptions(self, store: str) -> list[SubscriptionInfo]:
        found = await self._call("GET", store_path(store) + "/subscriptions")
        return [_info(shown) for shown in found["subscriptions"]]

    async def get_subscription(self, store: str, name: Any) -> SubscriptionInfo:
        return _info(await self._call("GET", _subscription(store, name)))

    async def pull_events(self, store: str, name: Any, count: Any = 100, *, wait: Any = 0.0) -> list[HttpDelivery]:
        if type(count) is not int:
            pytest.skip("over HTTP a field of another type is a validation_error")
        body = _json_text({"count": count, "wait": wait})
        answer = await self._call("POST", _subscription(store, name) + "/pull", raw=body.encode())
        return [HttpDelivery(shown, self, store, name) for shown in answer["deliveries"]]

    async def consume(self, store: str, name: Any, *, prefetch: Any = 100) -> AsyncGenerator[HttpDelivery, None]:
        """A consumer made of pulls: what it holds when it ends is given back."""
        ack_timeout = (await self.get_subscription(store, name)).settings.ack_timeout
        held: list[HttpDelivery] = []
        changed = asyncio.Event()
        try:
            while not any(delivery.has_stopped for delivery in held):
                held = [delivery for delivery in held if delivery.is_held(ack_timeout)]
                room = prefetch - len(held) if type(prefetch) is int else prefetch
                if room == 0:
                    changed.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), held[0].left_until(ack_timeout))
                    continue
                pulled = await self.pull_events(store, name, room, wait=PULL_SECONDS)
                held += pulled
                for delivery in pulled:
                    delivery.changed = changed
                for delivery in pulled:
                    yield delivery
                    if any(one.has_stopped for one in held):
                        return
        finally:
            for delivery in held:
                if not delivery.is_settled:
                    with suppress(GaterError):
                        await self._settle(store, name, "nack", delivery.nacked("retry", 0.0, CONSUMER_LEFT))

    async def ack_event(self, store: str, name: Any, event: Any) -> None:
        await self._settle(store, name, "ack", _named(event), strict=True)

    async def nack_event(
        self,
        store: str,
        name: Any,
        event: Any,
        action: Any = "retry",
        *,
        delay: Any = None,
        reason: Any = None,
    ) -> None:
        body = {**_named(event), "action": _action(action), "delay": delay, "reason": reason}
        await self._settle(store, name, "nack", body, strict=True)

    async def list_parked(self, store: str, name: Any, after: Any = 0, limit: Any = None) -> list[ParkedEvent]:
        found: list[ParkedEvent] = []
        parameters = {"after": as_text(after)}
        while True:
            if limit is not None:
                parameters["limit"] = as_text(limit if type(limit) is not int else limit - len(found))
            page = await self._call("GET", _subscription(store, name) + "/parked", parameters=parameters)
            found += [_parked(shown) for shown in page["parked"]]
            if page["next"] is None or len(found) == limit:
                return found
            parameters["after"] = str(page["next"])

    async def replay_parked(self, store: str, name: Any, positions: Any = None) -> int:
        path = _subscription(store, name) + "/parked/replay"
        return int((await self._call("POST", path, body=_positions(positions)))["replayed"])

    async def discard_parked(self, store: str, name: Any, positions: Any = None) -> int:
        path = _subscription(store, name) + "/parked/discard"
        return int((await self._call("POST", path, body=_positions(positions)))["discarded"])

    async def rewind_subscription(self, store: str, name: Any, position: Any = None, *, time: Any = None) -> int:
        if type(position) not in (int, NoneType):
            pytest.skip("over HTTP a field of another type is a validation_error")
        if type(time) is int:
            time = datetime.fromtimestamp(time // 1_000_000, UTC).replace(microsecond=time % 1_000_000)
        body = {} if position is None else {"position": position}
        if time is not None:
            body["time"] = time
        return int((await self._call("POST", _subscription(store, name) + "/rewind", body=body))["position"])

    async def _settle(self, store: str, name: Any, how: str, delivery: Any, *, strict: bool = False) -> None:
        """Settle one delivery; when strict, one that is not in flight is an error."""
        body = _json_text({"deliveries": [delivery]})
        answer = await self._call("POST", f"{_subscription(store, name)}/{how}", raw=body.encode())
        assert answer["settled"] + len(answer["failed"]) == 1
        for failed in answer["failed"] if strict else ():
            raise NotFoundError("delivery", failed["position"], why=failed["why"])


class HttpDelivery:
    """A delivery of a pull, with the methods of Delivery."""

    def __init__(self, shown: Any, api: HttpSubscriptions, store: str, name: Any) -> None:
        assert set(shown) == {"event", "attempt", "receipt"}
        self.event = event_of(shown["event"])
        self.attempt = int(shown["attempt"])
        self.receipt = int(shown["receipt"])
        self.changed: asyncio.Event | None = None
        """Is set when it is settled; None: nobody consumes, and what cannot be settled is an error."""
        self.is_settled = False
        self.has_stopped = False
        self._since = time.monotonic()
        self._api = api
        self._of = (store, name)

    def is_held(self, ack_timeout: float) -> bool:
        """Whether it counts as held: it is not settled, and not taken back."""
        return not self.is_settled and self.left_until(ack_timeout) > 0

    def left_until(self, seconds: float) -> float:
        """Seconds until it is so old."""
        return self._since + seconds - time.monotonic()

    async def ack(self) -> None:
        self._done()
        body = {"position": self.event.position, "receipt": self.receipt}
        await self._api._settle(*self._of, "ack", body, strict=self.changed is None)

    async def nack(self, action: Any = "retry", *, delay: Any = None, reason: Any = None) -> None:
        self._done()
        self.has_stopped = action in ("stop", 4)
        await self._api._settle(*self._of, "nack", self.nacked(action, delay, reason), strict=self.changed is None)

    def nacked(self, action: Any, delay: Any, reason: Any) -> dict[str, Any]:
        named = {"position": self.event.position, "receipt": self.receipt}
        return {**named, "action": _action(action), "delay": delay, "reason": reason}

    def _done(self) -> None:
        self.is_settled = True
        if self.changed is not None:
            self.changed.set()


def _subscription(store: str, name: Any) -> str:
    return f"{store_path(store)}/subscriptions/{path_part(name)}"


_TEXT_KINDS = ("by_stream", "by_event_type", "stream_prefix")
_JSON_KINDS = ("by_event_pattern", "by_event_payload", "all_of", "any_of")


def _selecting(kind: Any, selector: Any) -> dict[str, str]:
    """A selector as a query has it: as `type` and `selector` when it can be, otherwise as `where`."""
    if kind in _TEXT_KINDS and isinstance(selector, str):
        return {"type": kind, "selector": as_text(selector, may_be_empty=True)}
    if kind in _JSON_KINDS and selector is not None:
        return {"type": kind, "selector": _query_text(_plain(selector))}
    if isinstance(kind, str) and selector is None:
        return {} if kind == "by_stream" else {"type": as_text(kind)}
    return {"where": _query_text(_where(kind, selector))}


def where_text(selector: Any) -> str:
    """A selector as the field `where` of a query."""
    return _query_text(_plain(selector))


def _query_text(value: Any) -> str:
    text = _json_text(value)
    if len(quote(text)) > MOST_QUERY_TEXT:
        pytest.skip("a query is not so long")
    return text


def _where(kind: Any, selector: Any) -> Any:
    """The selector that two arguments name, as a mapping with one key."""
    if selector is None:
        return {"by_stream": "$all"} if kind == "by_stream" else _plain(kind)
    if not isinstance(kind, str):
        pytest.skip("JSON has no such key")
    return {kind: _plain(selector)}


def _plain(value: Any) -> Any:
    """The value with the selectors in it as mappings."""
    if isinstance(value, Selector):
        return value.to_plain()
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _json_text(value: Any) -> str:
    """The value as JSON; what would become another value there cannot be tried over HTTP."""
    try:
        text = json.dumps(value, allow_nan=False)
        is_same = json.loads(text) == json.loads(json.dumps(value, default=str, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        pytest.skip("JSON has no such value")
    if not is_same or not _has_text_keys(value):
        pytest.skip("JSON has no such value")
    return text


def _has_text_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_has_text_keys, value.values()))
    return all(map(_has_text_keys, value)) if isinstance(value, list | tuple) else True


def _named(event: Any) -> dict[str, Any]:
    """What names a delivery: itself, or its event or position."""
    if isinstance(event, HttpDelivery):
        return {"position": event.event.position, "receipt": event.receipt}
    if isinstance(event, Event):
        return {"position": event.position}
    if type(event) is not int:
        pytest.skip("over HTTP a field of another type is a validation_error")
    return {"position": event}


def _action(action: Any) -> Any:
    """The word for a code."""
    words = ("unknown", "park", "retry", "skip", "stop")
    return words[action] if type(action) is int and 0 <= action < len(words) else action


def _positions(positions: Any) -> dict[str, Any]:
    if positions is None:
        return {}
    return {"positions": [positions] if type(positions) is int else list(positions)}


def _config(shown: Mapping[str, Any]) -> SubscriptionConfig:
    assert set(shown) == set(SubscriptionConfig.__struct_fields__)
    return SubscriptionConfig(**_typed(shown))


def _info(shown: Mapping[str, Any]) -> SubscriptionInfo:
    assert set(shown) == set(SubscriptionInfo.__struct_fields__)
    return SubscriptionInfo(**_typed(shown))


def _typed(shown: Mapping[str, Any]) -> dict[str, Any]:
    settings = msgspec.convert(shown["settings"], GroupSettings)
    return {**shown, "selector": parse_selector(shown["selector"]), "settings": settings}


def _parked(shown: Mapping[str, Any]) -> ParkedEvent:
    return ParkedEvent(**{**shown, "event": None if shown["event"] is None else event_of(shown["event"])})
