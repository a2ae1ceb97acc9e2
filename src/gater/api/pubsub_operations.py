"""The operations on pub/sub as values: listening, publishing, and how the instances stand."""

from __future__ import annotations

from typing import Any

import msgspec

from gater.api.operation import Operation, StreamingOperation


class PubSubMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message as it was published."""

    topic: str
    body: Any
    """Plain data: what JSON can say, and bytes."""


class InstanceStatus(msgspec.Struct, frozen=True):
    """One instance of pub/sub on a node: what it is for, and what it has done since the node began."""

    name: str
    purpose: str
    overflow: str
    """`drop_oldest`, or `never`: what happens when a subscriber is too slow."""
    bound: int
    """Messages that wait for one subscriber before that happens."""
    published: int
    delivered: int
    dropped: int
    failed: int
    """Callbacks that failed, subscribers that were disconnected, messages that other nodes could not be given."""
    subscribers: int
    depth: int
    """Messages that wait for all subscribers together."""
    max_lag: int
    """Messages that wait for the slowest one."""
    processing_seconds: float
    """How long a subscriber takes for a message, on average."""
    is_open: bool
    """Whether it can be had."""


class Listen(StreamingOperation[list[PubSubMessage]], frozen=True, array_like=True):
    """Messages whose topic fits a pattern, from now on; the first item is empty: listening has begun."""

    name = "listen"
    answer = list[PubSubMessage]
    instance: str
    pattern: str = "*"


class Publish(Operation[int], frozen=True, array_like=True):
    """Give a message to the present subscribers; answers how many took it."""

    name = "publish"
    effect = "write"
    answer = int
    repeatable = False
    instance: str
    topic: str
    body: Any = None


class CheckedPublish(Publish, frozen=True, array_like=True):
    """A publish whose body was checked in this process; what comes over a wire is never of this type."""


class GetPubSub(Operation[list[InstanceStatus]], frozen=True, array_like=True):
    """The state of the ten instances of a node."""

    name = "get_pubsub"
    answer = list[InstanceStatus]
