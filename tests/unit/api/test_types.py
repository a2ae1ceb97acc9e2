"""What type checkers know of the API: a word that is misspelt is an error of theirs."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin, get_overloads, get_type_hints

import pytest

from gater import BlockingDelivery, Delivery, Event, GaterApi, GivenSettings, GroupSettings
from gater.api.arguments import Direction
from gater.api.notices import Notice
from gater.api.subscription import Subscription
from gater.model.subscriptions import NackAction


@pytest.mark.parametrize("method", [GaterApi.get_events, GaterApi.read_all, GaterApi.stream_all])
def test_directions_are_two_words(method: Any) -> None:
    assert get_type_hints(method)["direction"] == Direction == Literal["forward", "backward"]


@pytest.mark.parametrize("method", [GaterApi.nack_event, Delivery.nack, BlockingDelivery.nack])
def test_actions_of_nack_are_words_or_their_codes(method: Any) -> None:
    assert set(get_args(get_type_hints(method)["action"])) == {NackAction, int}


def test_settings_of_a_subscription_have_names_and_types() -> None:
    given, stored = get_type_hints(GivenSettings), get_type_hints(GroupSettings)
    assert set(given) == set(stored)
    for name, kind in stored.items():
        assert given[name] == kind or name == "backoff"
    assert get_origin(given["ordering"]) is get_origin(given["after_park"]) is Literal


def test_notices_come_only_when_they_are_asked_for() -> None:
    without, either = [get_type_hints(overload)["return"] for overload in get_overloads(GaterApi.subscribe)]
    assert without == Subscription[Event]
    assert either == Subscription[Event | Notice]
