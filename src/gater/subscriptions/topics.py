"""The topics on the events instance where the events of subscriptions are broadcast (reference, section 3.5)."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from gater.model.selectors import Selector
from gater.model.subscriptions import TRANSIENT

ALL_EVENTS: Final = "all-events"
"""The name of the subscription to everything that each store has by itself."""

_PREFIXES: Final = {"by_event_pattern": "evt-pat", "by_event_payload": "evt-pay"}


def delivery_topic(store: str, selector: Selector, name: str = TRANSIENT) -> str:
    """The topic on which the events of a subscription without a consumer are broadcast."""
    return f"{store}:{_sub_topic(selector, name)}"


def event_stream_topic(stream_id: str) -> str:
    """The topic on which every event of a stream is announced."""
    return f"event_stream:{stream_id}"


def _sub_topic(selector: Selector, name: str) -> str:
    if selector.type == "by_stream":
        return str(selector.value) if name in (TRANSIENT, ALL_EVENTS) else f"${name}"
    if selector.type == "by_event_type":
        return str(selector.value) if name == TRANSIENT else f"*{name}-{selector.value}"
    return f"{_PREFIXES.get(selector.type, 'evt-sel')}-{name}-{_hash(selector)}"


def _hash(selector: Selector) -> str:
    """The same for equal selectors, on every machine."""
    canonical = msgspec.json.encode(selector.to_plain(), order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:8].upper()
