"""The names of topics, and their parts."""

from __future__ import annotations

from typing import Any

import pytest

from gater.model.errors import InvalidArgumentError
from gater.pubsub import topic_names
from gater.pubsub.topic_names import CLUSTER_SUBJECTS, STORE_SUBJECTS, ParsedTopic, parse_topic


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        (topic_names.store_topic("orders", "streams"), "orders:streams"),
        (topic_names.cluster_topic("leader"), "cluster:leader"),
        (topic_names.store_health("orders"), "orders:health"),
        (topic_names.cluster_health(), "cluster:health"),
        (topic_names.health_summary("orders"), "health_summary:orders"),
        (topic_names.subscription_health("orders", "mailer"), "subscription_health:orders:mailer"),
        (topic_names.subscription_metrics("orders", "mailer"), "subscription_metrics:orders:mailer"),
        (topic_names.event_stream("order-1"), "event_stream:order-1"),
    ],
)
def test_a_topic_has_the_name_of_the_specification(topic: str, name: str) -> None:
    assert topic == name


def test_the_topics_of_a_store_and_of_the_cluster_are_listed() -> None:
    assert topic_names.all_store_topics("s") == tuple(f"s:{subject}" for subject in STORE_SUBJECTS)
    assert topic_names.all_cluster_topics() == tuple(f"cluster:{subject}" for subject in CLUSTER_SUBJECTS)
    assert (len(STORE_SUBJECTS), len(CLUSTER_SUBJECTS)) == (8, 6)


@pytest.mark.parametrize(
    ("store", "subject"), [("orders", "weather"), ("orders", ""), ("", "health"), ("a b", "health")]
)
def test_a_topic_of_no_store_or_no_subject_is_refused(store: str, subject: str) -> None:
    with pytest.raises(InvalidArgumentError):
        topic_names.store_topic(store, subject)


def test_a_subject_of_stores_only_is_none_of_the_cluster() -> None:
    with pytest.raises(InvalidArgumentError):
        topic_names.cluster_topic("replicas")


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        ("cluster:health", ParsedTopic(None, "health")),
        ("orders:health", ParsedTopic("orders", "health")),
        ("a:b:c", ParsedTopic("a", "b:c")),
    ],
)
def test_a_topic_is_parted_at_its_first_colon(topic: str, parts: ParsedTopic) -> None:
    assert topic_names.has_levels(topic)
    assert parse_topic(topic) == parts


@pytest.mark.parametrize("topic", ["", "invalid", None, 5, b"a:b"])
def test_what_has_no_colon_has_no_parts(topic: Any) -> None:
    assert not topic_names.has_levels(topic)
    with pytest.raises(InvalidArgumentError):
        parse_topic(topic)
