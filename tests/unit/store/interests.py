"""Interests of followers, as a selector makes them."""

from __future__ import annotations

from gater.model.selectors import Selector
from gater.store.interests import Interest
from gater.subscriptions.interests import interest_of
from gater.subscriptions.matching import compile_selector


def in_events(selector: Selector) -> Interest:
    """The interest in the events that a selector accepts."""
    return interest_of(compile_selector(selector))
