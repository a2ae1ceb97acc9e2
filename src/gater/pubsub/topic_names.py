"""The names of the topics that Gater itself publishes under, and the parts of such a name."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gater.model.errors import InvalidArgumentError
from gater.model.identifiers import check_store_id

CLUSTER: Final = "cluster"
"""What the topics of the cluster begin with, in place of a store's id."""

STORE_SUBJECTS: Final = (
    "health",
    "lifecycle",
    "streams",
    "replicas",
    "events",
    "alerts",
    "performance",
    "subscriptions",
)
CLUSTER_SUBJECTS: Final = ("health", "topology", "leader", "discovery", "alerts", "performance")


class ParsedTopic(msgspec.Struct, frozen=True):
    """A topic at its first colon: what it is about, and which subject."""

    store: str | None
    """None for a topic of the cluster."""
    subject: str


def store_topic(store: str, subject: str) -> str:
    """`{store}:{subject}`, for one of STORE_SUBJECTS; else InvalidArgumentError."""
    return f"{check_store_id(store)}:{_one_of(STORE_SUBJECTS, subject)}"


def cluster_topic(subject: str) -> str:
    """`cluster:{subject}`, for one of CLUSTER_SUBJECTS; else InvalidArgumentError."""
    return f"{CLUSTER}:{_one_of(CLUSTER_SUBJECTS, subject)}"


def all_store_topics(store: str) -> tuple[str, ...]:
    """The topics of a store."""
    return tuple(store_topic(store, subject) for subject in STORE_SUBJECTS)


def all_cluster_topics() -> tuple[str, ...]:
    """The topics of the cluster."""
    return tuple(map(cluster_topic, CLUSTER_SUBJECTS))


def store_health(store: str) -> str:
    """The topic for the health of a store, on the health instance."""
    return store_topic(store, "health")


def cluster_health() -> str:
    """The topic for the health of the cluster, on the health instance."""
    return cluster_topic("health")


def health_summary(store: str) -> str:
    """The topic for the summary of all subscriptions of a store, on the health instance."""
    return f"health_summary:{store}"


def subscription_health(store: str, name: str) -> str:
    """The topic for the health of a subscription, on the health instance."""
    return f"subscription_health:{store}:{name}"


def subscription_metrics(store: str, name: str) -> str:
    """The topic for the figures of a subscription, on the metrics instance."""
    return f"subscription_metrics:{store}:{name}"


def event_stream(stream_id: str) -> str:
    """The topic for the events of a stream, on the events instance."""
    return f"event_stream:{stream_id}"


def has_levels(topic: Any) -> bool:
    """Whether this is text with a colon in it, as the topics of stores and of the cluster are."""
    return isinstance(topic, str) and ":" in topic


def parse_topic(topic: Any) -> ParsedTopic:
    """The parts of a topic of a store or of the cluster; InvalidArgumentError when it has no colon.

    A store that is called `cluster` cannot be told from the cluster.
    """
    if not has_levels(topic):
        raise InvalidArgumentError("topic", f"parts with a colon between, not {topic!r}")
    about, subject = topic.split(":", 1)
    return ParsedTopic(None if about == CLUSTER else about, subject)


def _one_of(subjects: tuple[str, ...], subject: str) -> str:
    if subject not in subjects:
        raise InvalidArgumentError("subject", f"one of {', '.join(subjects)}, not {subject!r}")
    return subject
