"""The topics of delivered events, as observers know them (rows R086 to R091 of the reference)."""

from __future__ import annotations

import re

import pytest

from gater.model.selectors import (
    Selector,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from gater.model.subscriptions import TRANSIENT
from gater.subscriptions.topics import ALL_EVENTS, delivery_topic, event_stream_topic


@pytest.mark.parametrize(
    ("selector", "name", "topic"),
    [
        (by_stream(), ALL_EVENTS, "s:$all"),
        (by_stream(), TRANSIENT, "s:$all"),
        (by_stream("user-1"), TRANSIENT, "s:$user-1"),
        (by_event_type("Placed"), TRANSIENT, "s:Placed"),
        (by_stream(), "billing", "s:$billing"),
        (by_stream("user-1"), "billing", "s:$billing"),
        (by_event_type("Placed"), "billing", "s:*billing-Placed"),
    ],
)
def test_streams_and_types_have_the_topics_of_the_reference(selector: Selector, name: str, topic: str) -> None:
    assert delivery_topic("s", selector, name) == topic


@pytest.mark.parametrize(
    ("selector", "prefix"),
    [
        (by_event_pattern({"event_type": "T"}), "evt-pat"),
        (by_event_payload({"a": 1}), "evt-pay"),
        (stream_prefix("a"), "evt-sel"),
        (any_of(by_stream("a"), by_event_type("T")), "evt-sel"),
    ],
)
@pytest.mark.parametrize("name", [TRANSIENT, "billing"])
def test_all_others_have_their_name_and_a_hash(selector: Selector, prefix: str, name: str) -> None:
    assert re.fullmatch(rf"s:{prefix}-{name}-[0-9A-F]{{8}}", delivery_topic("s", selector, name))


def test_equal_selectors_have_one_topic_and_others_another() -> None:
    one, same = by_event_payload({"a": 1, "b": {"c": 2, "d": 3}}), by_event_payload({"b": {"d": 3, "c": 2}, "a": 1})
    assert delivery_topic("s", one) == delivery_topic("s", same)
    topics = {delivery_topic("s", by_event_payload({"a": value})) for value in (1, 1.0, "1", True, None)}
    assert len(topics) == 5


def test_the_hash_is_the_same_in_every_process() -> None:
    assert delivery_topic("s", by_event_payload({"a": 1}), "billing") == "s:evt-pay-billing-EF19A678"


def test_each_stream_has_a_topic_of_its_own() -> None:
    assert event_stream_topic("user-1") == "event_stream:user-1"
