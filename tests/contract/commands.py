"""Commands that a state machine tries, drawn at random, and how each is given to the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import count
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from gater import ANY, NO_STREAM, STREAM_EXISTS, GaterApi, NewEvent, StreamAppend, StreamGuard
from tests.contract.model import Exported, Part, Proposed, StoreModel

STREAMS: Final = ["a", "b", "c", "d", "e"]
BACK, HERE, AHEAD = "back", "here", "ahead"

streams = st.sampled_from(STREAMS)
expected_forms = st.sampled_from([ANY, ANY, NO_STREAM, STREAM_EXISTS, HERE, HERE, BACK, AHEAD, 0, 1])
sizes = st.sampled_from([0, 1, 1, 2, 3, 5, 9])
datas = st.sampled_from([None, 1, {"total": 12}, b"", b"bytes", "text"])

Opening = Callable[[str], AsyncGenerator[GaterApi, None]]


class CommandMachine(RuleBasedStateMachine):
    """A store, the model of it, and what can be tried on both; a subclass has the rules, and compares."""

    _names = count(1)

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self.opening = opening
        self.store = f"machine-{next(self._names)}"
        self.model = StoreModel()
        self.appended: list[tuple[str, tuple[Proposed, ...]]] = []
        self.exported: list[list[Exported]] = []
        self.ids = count(1)
        self.runner = asyncio.Runner()
        self.api_generator = opening(self.store)
        self.api: GaterApi = self.run(anext(self.api_generator))

    def run(self, work: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(10):
                return await work

        return self.runner.run(bounded())

    # --- what is tried ---

    def new_events(self, size: int, draw: st.DataObject) -> tuple[Proposed, ...]:
        """Events with new ids, which are mostly newer than all before, and sometimes anywhere between them."""
        events = []
        for _ in range(size):
            number = next(self.ids)
            high = number if draw.draw(st.booleans()) else draw.draw(st.integers(0, 2 * number))
            events.append(Proposed(str(UUID(int=(high << 64) | number)), draw.draw(datas)))
        return tuple(events)

    def expected(self, form: Any, stream: str) -> int:
        version = self.model.version(stream)
        named = {HERE: version, BACK: version - 1, AHEAD: version + 1}.get(form, form)
        return ANY if named < -1 and form == BACK else named

    def repeat(self, draw: st.DataObject) -> tuple[str, tuple[Proposed, ...]]:
        """An earlier append: as it was, a part of it, with more, in another order, or to another stream."""
        stream, events = draw.draw(st.sampled_from(self.appended[-12:]))
        change = draw.draw(st.sampled_from(["same", "same", "part", "more", "order", "stream", "joined", "twice"]))
        if change == "part" and events:
            first = draw.draw(st.integers(0, len(events) - 1))
            events = events[first : draw.draw(st.integers(first + 1, len(events)))]
        elif change == "more":
            new = self.new_events(1, draw)
            events = events + new if draw.draw(st.booleans()) else new + events
        elif change == "order":
            events = tuple(draw.draw(st.permutations(events)))
        elif change == "stream":
            stream = draw.draw(streams)
        elif change == "joined":
            more = draw.draw(st.sampled_from(self.appended[-12:]))[1]
            events = tuple({event.event_id: event for event in events + more}.values())
        elif change == "twice" and events:
            events = (*events, events[0])
        return stream, events

    def part(self, draw: st.DataObject) -> Part:
        if self.appended and draw.draw(st.integers(0, 3)) == 0:
            stream, events = self.repeat(draw)
        else:
            stream, events = draw.draw(streams), self.new_events(draw.draw(sizes), draw)
        return Part(stream, events, self.expected(draw.draw(expected_forms), stream))

    def exports(self, draw: st.DataObject) -> list[Exported]:
        stream = draw.draw(streams)
        first = max(self.model.version(stream) + draw.draw(st.sampled_from([1, 1, 1, 1, 2, 0, -1])), 0)
        if stream not in self.model.streams:
            first = draw.draw(st.sampled_from([0, 0, 1, 5]))
        events = self.new_events(draw.draw(st.integers(1, 4)), draw)
        return [Exported(stream, first + number, event) for number, event in enumerate(events)]

    # --- the same command for the store ---

    async def appending(self, parts: Sequence[Part], guards: Sequence[tuple[str, int]] | None = None) -> Any:
        if guards is None:
            (part,) = parts
            results = [await self.api.append_events(self.store, part.stream, _new(part.events), part.expected)]
        else:
            appends = [StreamAppend(part.stream, _new(part.events), part.expected) for part in parts]
            results = await self.api.append_streams(self.store, appends, [StreamGuard(*guard) for guard in guards])
        return [(result.version, result.position) for result in results]

    async def deleting(self, stream: str, expected: int, tombstone: bool) -> Any:
        result = await self.api.delete_stream(self.store, stream, expected, tombstone=tombstone)
        return result.version, result.position

    async def truncating(self, stream: str, before: int) -> Any:
        result = await self.api.truncate_stream(self.store, stream, before)
        return result.version, result.position

    async def gathered(self, work: list[Any]) -> list[Any]:
        return await asyncio.gather(*work, return_exceptions=True)


def _new(events: Sequence[Proposed]) -> list[NewEvent]:
    return [NewEvent("Tried", event.data, event_id=event.event_id) for event in events]
