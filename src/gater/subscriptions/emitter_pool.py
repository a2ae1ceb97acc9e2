"""The emitters of one store: of each saved subscription, of transient ones, and of all events."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final

from gater.model.selectors import Selector, parse_selector
from gater.store.store import Store
from gater.subscriptions.channels import Bus
from gater.subscriptions.emitters import Emitter
from gater.subscriptions.topics import ALL_EVENTS, delivery_topic
from gater.subscriptions.work_turns import WorkTurns

CHECKED_AT_ONCE: Final = 500
"""Names that one step of a check compares; subscriptions that fit are not decoded for it."""
EVERYTHING: Final = parse_selector("by_stream", "$all")


class Misfits:
    """The result of a check: topics of emitters without a subscription, and of subscriptions without an emitter."""

    def __init__(self) -> None:
        self.orphaned: list[str] = []
        self.missing: list[str] = []
        self.subscriptions = 0
        """The number of saved subscriptions."""


class EmitterPool:
    """Makes, shares and ends emitters, each by its topic."""

    def __init__(self, store: Store, bus: Bus, turns: WorkTurns, made: Callable[[str], object]) -> None:
        """`made` is called with the name of each saved subscription that has an emitter now."""
        self._made = made
        self._store = store
        self._bus = bus
        self._turns = turns
        self._saved: dict[str, Emitter] = {}
        """Of saved subscriptions, by topic."""
        self._topics: dict[str, tuple[int, str]] = {}
        """The number of the first run of each saved subscription, and its topic; by name."""
        self._shared: dict[str, Emitter] = {}
        """Of transient ones, by topic; a saved subscription may have the same."""
        self._users: dict[str, int] = {}
        """How many connections share a transient emitter, by topic."""
        self._default_topic = delivery_topic(store.id, EVERYTHING, ALL_EVENTS)
        self._saved[self._default_topic] = self._new(EVERYTHING, self._default_topic)

    def __len__(self) -> int:
        """The number of emitters."""
        return len(self._saved) + len(self._shared)

    def _new(self, selector: Selector, topic: str) -> Emitter:
        return Emitter(self._store, selector, topic, self._bus, self._turns)

    # --- of saved subscriptions ---

    def topics(self) -> set[str]:
        """The topics of saved subscriptions, and of all events."""
        return set(self._saved)

    def emit(self, selector: Selector, name: str, made: int) -> None:
        """Have a saved subscription broadcast, whose first run has the number `made`."""
        topic = delivery_topic(self._store.id, selector, name)
        self._topics[name] = (made, topic)
        if topic not in self._saved:
            self._saved[topic] = self._new(selector, topic)
            self._made(name)

    def silence(self, selector: Selector, name: str) -> None:
        """Broadcast a saved subscription no longer."""
        self._silence(delivery_topic(self._store.id, selector, name), name)

    def _silence(self, topic: str, name: str) -> None:
        if self._topics.get(name, (0, ""))[1] == topic:
            del self._topics[name]
        if topic != self._default_topic and (emitter := self._saved.pop(topic, None)) is not None:
            emitter.close()

    def pause(self, selector: Selector, name: str, *, paused: bool) -> None:
        """Broadcast a saved subscription, or not for now."""
        emitter = self._saved.get(delivery_topic(self._store.id, selector, name))
        if emitter is not None:
            emitter.paused = paused

    # --- of transient ones ---

    def share(self, selector: Selector) -> None:
        """Have what a selector accepts broadcast for one more connection."""
        topic = delivery_topic(self._store.id, selector)
        self._users[topic] = self._users.get(topic, 0) + 1
        if topic not in self._shared and topic != self._default_topic:
            self._shared[topic] = self._new(selector, topic)

    def is_shared(self, selector: Selector) -> bool:
        """Whether a connection has what a selector accepts broadcast."""
        return delivery_topic(self._store.id, selector) in self._users

    def release(self, selector: Selector) -> None:
        """A connection that shared an emitter is gone; the last one ends it."""
        topic = delivery_topic(self._store.id, selector)
        left = self._users.get(topic, 0) - 1
        if left > 0:
            self._users[topic] = left
        elif self._users.pop(topic, None) is not None and topic in self._shared:
            self._shared.pop(topic).close()

    # --- the check ---

    def check(self, *, cleanup: bool) -> Generator[None, None, Misfits]:
        """Compare emitters with what is saved, some at a time; with `cleanup`, what does not fit is mended."""
        found, after = Misfits(), ""
        while saved := self._names_behind(after):
            found.subscriptions += len(saved)
            after = saved[-1][0]
            for name, made in saved:
                if not self._fits(name, made):
                    self._note_missing(name, found, cleanup=cleanup)
            yield
        known = list(self._topics)
        for begin in range(0, len(known), CHECKED_AT_ONCE):
            for name in known[begin : begin + CHECKED_AT_ONCE]:
                self._note_orphaned(name, found, cleanup=cleanup)
            yield
        return found

    def _names_behind(self, after: str) -> list[tuple[str, int]]:
        with self._store.reading():
            return self._store.subscriptions.names(after, CHECKED_AT_ONCE)

    def _fits(self, name: str, made: int) -> bool:
        known = self._topics.get(name)
        return known is not None and known[0] == made and known[1] in self._saved

    def _note_missing(self, name: str, found: Misfits, *, cleanup: bool) -> None:
        with self._store.reading():
            saved = self._store.subscriptions.get(name)
        if saved is None:
            return
        topic = delivery_topic(self._store.id, saved.config.selector, name)
        if topic not in self._saved:
            found.missing.append(topic)
        if cleanup:
            self.emit(saved.config.selector, name, saved.made)

    def _note_orphaned(self, name: str, found: Misfits, *, cleanup: bool) -> None:
        known = self._topics.get(name)
        if known is None:
            return
        with self._store.reading():
            is_saved = self._store.subscriptions.made(name) == known[0]
        if not is_saved and known[1] != self._default_topic:
            found.orphaned.append(known[1])
            if cleanup:
                self._silence(known[1], name)

    def close(self) -> None:
        """Broadcast no more."""
        for emitter in (*self._saved.values(), *self._shared.values()):
            emitter.close()
