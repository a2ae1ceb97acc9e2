"""A node that says something of itself, and one who listens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gater.messages.broadcast import Messenger
from gater.messages.signing import Keyring
from gater.monitoring.announcements import Announcements
from gater.pubsub.system import PubSub
from tests.unit.monitoring.listening import NODE, Listener


@pytest.fixture
def pubsub() -> Iterator[PubSub]:
    running = PubSub()
    yield running
    running.close()


@pytest.fixture
def said(pubsub: PubSub) -> Announcements:
    return Announcements(pubsub, Messenger(pubsub.broadcast, Keyring("the secret"), node=NODE))


@pytest.fixture
def listener(pubsub: PubSub, said: Announcements) -> Listener:
    return Listener(pubsub, said.messenger)
