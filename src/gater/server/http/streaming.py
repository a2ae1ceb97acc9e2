"""Answers that are sent while they are made, with flat memory: they wait for the reader, and end when it leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any, Final, TypeVar

from litestar.types import HTTPScope, Receive, Send

from gater.model.errors import GaterError
from gater.model.events import Event
from gater.model.json_view import event_line
from gater.server.http.answers import Answer, encode, outlet_of, start_headers
from gater.server.outgoing import Outlet
from gater.wire.errors import error_body
from gater.wire.server_session import SMALL_BYTES

NDJSON: Final = "application/x-ndjson"
HEARTBEAT_SECONDS: Final = 15.0

Item = TypeVar("Item")

log = logging.getLogger(__name__)


class StreamingAnswer(Answer):
    """An answer of chunks, without a length known beforehand.

    It is complete when `chunks` ends or `until` is set; a failure of `chunks` breaks the connection off, so that the
    reader does not take a part for the whole. With a `heartbeat`, that is sent every HEARTBEAT_SECONDS.
    """

    __slots__ = ("_chunks", "_heartbeat", "_until")

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        heartbeat: bytes = b"",
        until: asyncio.Event | None = None,
    ) -> None:
        self._headers = start_headers(media_type, headers)
        self._chunks = chunks
        self._heartbeat = heartbeat
        self._until = until

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Send until the first reason to stop: the end, the reader is gone, the server stops."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        if await self._sent_whole(outlet_of(scope), receive, send):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _sent_whole(self, outlet: Outlet, receive: Receive, send: Send) -> bool:
        """Send what there is; whether nothing is missing. An answer that is left without its end breaks off."""
        works: list[Coroutine[Any, Any, Any]] = [self._send_chunks(outlet, send), _disconnected(receive)]
        if self._heartbeat:
            works.append(self._beat(send))
        if self._until is not None:
            works.append(self._until.wait())
        whole = True
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in works]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
        except* GaterError as errors:
            whole = False
            for error in errors.exceptions:
                log.warning("an answer broke off", extra={"reason": str(error)})
        return whole

    async def _send_chunks(self, outlet: Outlet, send: Send) -> None:
        """Send chunk by chunk, each made when the reader has taken the last, and as there is room for it."""
        size = 0  # there is room for the first
        try:
            while True:
                await outlet.may_go_on(size)
                if size > SMALL_BYTES and not self._heartbeat:  # what is stored is not waited for
                    await outlet.reserve()
                try:
                    chunk = [await anext(self._chunks)]
                except StopAsyncIteration:
                    return
                size = len(chunk[0])
                await send({"type": "http.response.body", "body": chunk.pop(), "more_body": True})
                outlet.unreserve()
        finally:
            outlet.unreserve()
            await self._chunks.aclose()

    async def _beat(self, send: Send) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await send({"type": "http.response.body", "body": self._heartbeat, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    """Return when the reader is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def opened(outlet: Outlet, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """The same items, the first of which is there already: what forbids the whole stream is raised at once.

    There is room for the first when this returns; what is sent of it takes the place of that.
    """
    await outlet.reserve()
    try:
        first = [await anext(items)]
    except StopAsyncIteration:
        first = []
    except BaseException:
        outlet.unreserve()
        raise
    return _chained(first, items)


async def _chained(first: list[Item], rest: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """None of the items is kept while the next is not asked for."""
    try:
        while first:
            yield first.pop()
        while True:
            try:
                yield await anext(rest)
            except StopAsyncIteration:
                return
    finally:
        await rest.aclose()


def ndjson_answer(pages: AsyncGenerator[list[Event], None], headers: Mapping[str, str]) -> StreamingAnswer:
    """The events of the pages, one JSON object a line.

    A failure on the way ends it with a line of the form of every error: `{"error": …}`.
    """
    return StreamingAnswer(_lines(pages), media_type=NDJSON, headers=headers)


async def _lines(pages: AsyncGenerator[list[Event], None]) -> AsyncGenerator[bytes, None]:
    try:
        while True:
            page = await anext(pages, None)
            if page is None:
                return
            lines = [*map(event_line, page), b""]
            del page
            chunk = [b"\n".join(lines)]
            del lines
            if chunk[0]:
                yield chunk.pop()
    except GaterError as error:
        log.warning("a read broke off", extra={"code": error.code, "reason": str(error)})
        yield encode(error_body(error)) + b"\n"
    finally:
        await pages.aclose()
