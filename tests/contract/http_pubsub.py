"""The pub/sub of the API over HTTP, with the methods of PubSubApi; listening is to server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec
import pytest

from gater.api.pubsub_operations import InstanceStatus, PubSubMessage
from tests.contract.http_requests import HttpRequests, as_json, as_text, check_answer, path_part, raise_shown, split


class HttpPubSub(HttpRequests):
    """What is about pub/sub."""

    async def get_pubsub(self) -> list[InstanceStatus]:
        answer = await self._call("GET", "/v1/pubsub")
        return [msgspec.convert(shown, InstanceStatus, strict=True) for shown in answer["instances"]]

    def pubsub(self, instance: str) -> HttpChannel:
        return HttpChannel(self, instance)


class HttpChannel:
    """One instance."""

    def __init__(self, api: HttpPubSub, instance: str) -> None:
        self._api = api
        self._instance = instance
        self._path = f"/v1/pubsub/{path_part(str(instance))}"

    def subscribe(self, topic: Any = None) -> HttpListening:
        query = {} if topic is None else {"topic": as_text(topic, may_be_empty=True)}
        return HttpListening(self._api, f"{self._path}/listen", query, self._instance)

    async def broadcast(self, topic: Any, message: Any) -> int:
        if not isinstance(topic, str):
            pytest.skip("over HTTP a field of another type is a validation_error")
        if _has_bytes(message):
            pytest.skip("JSON has no bytes")
        body = as_json({"topic": topic, "message": message})
        receivers: int = (await self._api._call("POST", f"{self._path}/publish", raw=body))["receivers"]
        return receivers


class HttpListening:
    """Messages of one pattern; listening has begun when the head of the answer is there."""

    def __init__(self, api: HttpPubSub, path: str, query: dict[str, str], instance: str) -> None:
        self._request = api._client.stream("GET", path, params=query)
        self._instance = instance.removeprefix("ex_esdb_")
        self._stack = AsyncExitStack()
        self._blocks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        response = await self._stack.enter_async_context(self._request)
        await check_answer(response)
        assert response.headers["content-type"].split(";")[0] == "text/event-stream"
        self._blocks = split(response, b"\n\n")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PubSubMessage:
        if self._blocks is None:
            await self.__aenter__()
        assert self._blocks is not None
        async for block in self._blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
            if fields:
                return self._message(fields)
        raise StopAsyncIteration

    def _message(self, fields: dict[bytes, bytes]) -> PubSubMessage:
        shown = msgspec.json.decode(fields[b"data"])
        if fields.get(b"event") == b"error":
            raise_shown(shown)
        assert set(shown) == {"topic", "instance", "message"}
        assert shown["instance"] == self._instance
        return PubSubMessage(shown["topic"], shown["message"])

    async def aclose(self) -> None:
        await self._stack.aclose()


def _has_bytes(message: Any) -> bool:
    waiting = [message]
    while waiting:
        value = waiting.pop()
        if isinstance(value, bytes):
            return True
        if isinstance(value, dict | list | tuple):
            waiting += value.values() if isinstance(value, dict) else value
    return False
