"""Topics and patterns, and the index that finds who subscribed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.errors import InvalidArgumentError
from gater.pubsub.topics import TopicIndex, check_pattern, check_topic, matches

GOOD = [
    "a",
    "subscription_health:orders:mailer",
    "a:b:c",
    "a*b",
    "*",
    ":",
    "größe:ä",
    "x" * 1_024,
    "é" * 512,
    "with space",
]
BAD: list[Any] = ["", "x" * 1_025, "é" * 513, "a\nb", "a\x00", "\x7f", "\ud800", None, 7, b"a", ["a"], ("a", "b")]


@pytest.mark.parametrize("text", GOOD)
def test_text_is_a_topic_and_a_pattern(text: str) -> None:
    assert check_topic(text) == check_pattern(text) == text


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_what_is_no_name_is_neither(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        check_topic(value)
    assert refusal.value.argument == "topic"
    with pytest.raises(InvalidArgumentError) as refusal:
        check_pattern(value)
    assert refusal.value.argument == "pattern"


RULES = [
    ("a:b", "a:b", True),
    ("a:b", "a:bc", False),
    ("a:b", "a", False),
    ("a:b", "A:b", False),
    ("a:*", "a:b", True),
    ("a:*", "a:b:c", True),
    ("a:*", "a:", True),
    ("a:*", "a", False),
    ("a:*", "ab:c", False),
    ("a:*", "a:*", True),
    ("node_health*", "node_health", True),
    ("node_health*", "node_health:n1", True),
    ("node_health*", "node_healthy", True),
    ("node_health*", "node", False),
    ("*", "anything:at all", True),
    ("**", "*starts so", True),
    ("**", "does not", False),
    ("a*b", "a*b", True),
    ("a*b", "axb", False),
    ("*:b", "*:b", True),
    ("*:b", "a:b", False),
    ("a.*", "a.b", True),
    ("a.*", "axb", False),
    ("subscription_health:*", "subscription_health:orders:mailer", True),
    ("process_lifecycle:*", "process_lifecycle:supervisors", True),
    ("security_events:*", "security_events:authentication", True),
    ("audit_trail:*", "audit_trail:user_actions", True),
    ("subscription_metrics:*", "subscription_metrics:orders:mailer", True),
    ("system_alerts:*", "system_alerts:critical", True),
    ("system_alerts:*", "incident_alerts:critical", False),
]


@pytest.mark.parametrize(("pattern", "topic", "fits"), RULES)
def test_a_pattern_fits_a_topic_or_not(pattern: str, topic: str, fits: bool) -> None:
    assert matches(pattern, topic) is fits
    index: TopicIndex[str] = TopicIndex()
    index.subscribe(pattern, "me")
    assert index.match(topic) == (["me"] if fits else [])


words = st.text("ab:*é", min_size=1, max_size=5)
changes = st.lists(st.tuples(st.booleans(), words, st.integers(0, 3)), max_size=40)


@given(changes, st.lists(words, min_size=1, max_size=20))
def test_the_index_agrees_with_asking_each_pattern(changes: list[tuple[bool, str, int]], topics: list[str]) -> None:
    index: TopicIndex[int] = TopicIndex()
    model: set[tuple[str, int]] = set()
    for is_new, pattern, subscriber in changes:
        if is_new:
            index.subscribe(pattern, subscriber)
            model.add((pattern, subscriber))
        else:
            index.unsubscribe(pattern, subscriber)
            model.discard((pattern, subscriber))
    assert len(index) == len(model)
    assert sorted(index) == sorted(subscriber for _, subscriber in model)
    for topic in topics:
        assert sorted(index.match(topic)) == sorted(number for pattern, number in model if matches(pattern, topic))


@given(changes)
def test_an_index_that_all_have_left_holds_nothing(changes: list[tuple[bool, str, int]]) -> None:
    index: TopicIndex[int] = TopicIndex()
    for _, pattern, subscriber in changes:
        index.subscribe(pattern, subscriber)
    for _, pattern, subscriber in reversed(changes):
        index.unsubscribe(pattern, subscriber)
    assert not index
    # Also nothing empty is left behind: names of topics come and go for as long as the node runs.
    assert not any(vars(index).values())


def test_a_match_is_not_changed_by_who_leaves_later() -> None:
    index: TopicIndex[int] = TopicIndex()
    for subscriber in range(3):
        index.subscribe("t", subscriber)
    found = index.match("t")
    index.unsubscribe("t", 1)
    assert found == [0, 1, 2]
    assert index.match("t") == [0, 2]


def test_a_match_looks_up_no_more_than_lengths_that_fit() -> None:
    """The cost in look-ups, which other topics and patterns of the same lengths do not raise."""

    class Counting(dict[str, Any]):
        asked = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.asked += 1
            return super().get(key, default)

    index: TopicIndex[int] = TopicIndex()
    for number in range(2_000):
        index.subscribe(f"topic:{number:04}", number)
        index.subscribe(f"topic:{number:04}:*", number)
        index.subscribe(f"a much longer topic:{number:04}:*", number)
    exact, prefixes = Counting(index._exact), Counting(index._prefixes)
    index._exact, index._prefixes = exact, prefixes
    assert index.match("topic:0007:x") == [7]
    assert (exact.asked, prefixes.asked) == (1, 1)
