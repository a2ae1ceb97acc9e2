"""Topics, patterns, and the subscriptions that match a topic."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Final, Generic, TypeVar

from gater.model.identifiers import MAX_TOPIC_BYTES, check_name

WILDCARD: Final = "*"

Subscriber = TypeVar("Subscriber", bound=Hashable)


def check_topic(value: Any) -> str:
    """The topic, if it is 1 to 1,024 bytes of UTF-8 without control characters; else InvalidArgumentError.

    By convention its levels are parted by `:`, from the general to the particular: `process_health:writer`.
    """
    return check_name(value, "topic", MAX_TOPIC_BYTES)


def check_pattern(value: Any) -> str:
    """The pattern, if it has the form of a topic; else InvalidArgumentError.

    A `*` at its end stands for any text, none and `:` included. A `*` elsewhere is an ordinary character.
    """
    return check_name(value, "pattern", MAX_TOPIC_BYTES)


def matches(pattern: str, topic: str) -> bool:
    """Whether a subscription to the pattern receives what is published under the topic."""
    return topic.startswith(pattern[:-1]) if pattern.endswith(WILDCARD) else topic == pattern


class TopicIndex(Generic[Subscriber]):
    """Subscribers by pattern; a topic finds its own at a cost that other topics and patterns do not raise.

    What a match costs depends on how many lengths the wildcard patterns have, of which a topic meets at most as many
    as it has characters.
    """

    def __init__(self) -> None:
        self._exact: dict[str, dict[Subscriber, None]] = {}
        self._prefixes: dict[str, dict[Subscriber, None]] = {}
        self._at_length: dict[int, int] = {}
        """How many prefixes there are of each length."""
        self._lengths: tuple[int, ...] = ()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Subscriber]:
        """All subscribers, once for each of their patterns."""
        for places in (self._exact, self._prefixes):
            for subscribers in places.values():
                yield from subscribers

    def subscribe(self, pattern: str, subscriber: Subscriber) -> None:
        """Have the subscriber found by the topics of a pattern; doing it twice is doing it once."""
        places, key = self._place(pattern)
        subscribers = places.get(key)
        if subscribers is None:
            subscribers = places[key] = {}
            if places is self._prefixes:
                self._count_length(len(key), 1)
        if subscriber not in subscribers:
            subscribers[subscriber] = None
            self._count += 1

    def unsubscribe(self, pattern: str, subscriber: Subscriber) -> None:
        """Have the subscriber no longer found by this pattern; nothing happens when it is not."""
        places, key = self._place(pattern)
        subscribers = places.get(key)
        if subscribers is None or subscriber not in subscribers:
            return
        del subscribers[subscriber]
        self._count -= 1
        if not subscribers:
            del places[key]
            if places is self._prefixes:
                self._count_length(len(key), -1)

    def match(self, topic: str) -> list[Subscriber]:
        """The subscribers of matching patterns, once for each such pattern; a list that later changes leave alone."""
        found = list(self._exact.get(topic, ()))
        size = len(topic)
        for length in self._lengths:
            if length > size:
                break
            subscribers = self._prefixes.get(topic[:length])
            if subscribers is not None:
                found.extend(subscribers)
        return found

    def _place(self, pattern: str) -> tuple[dict[str, dict[Subscriber, None]], str]:
        if pattern.endswith(WILDCARD):
            return self._prefixes, pattern[:-1]
        return self._exact, pattern

    def _count_length(self, length: int, change: int) -> None:
        count = self._at_length.get(length, 0) + change
        if count:
            self._at_length[length] = count
        else:
            del self._at_length[length]
        if len(self._at_length) != len(self._lengths):
            self._lengths = tuple(sorted(self._at_length))
