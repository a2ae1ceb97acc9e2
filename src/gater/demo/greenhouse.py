"""Made-up events of a greenhouse: of its sensors, its operators and its machines."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final
from uuid import UUID

from gater.model.events import NewEvent

STREAMS: Final = tuple(f"greenhouse{number}" for number in range(1, 8))
"""The greenhouses that are offered to someone who looks around."""
OPERATORS: Final = ("John", "Paul", "George", "Ringo", "Jim", "Laura", "Peter")
TEMPERATURES: Final = (6, 35)
"""Lowest and highest, °C, both included."""
PERCENTAGES: Final = (1, 100)
"""Lowest and highest humidity, light or intensity, both included."""
INITIALIZED: Final = "initialized:v1"

Payload = Callable[[Random], dict[str, Any]]


def stream_of(number: int) -> str:
    """The stream of the greenhouse with that number, counted from 1."""
    return f"greenhouse{number}"


def generate(random: Random, version: int, count: int) -> list[NewEvent]:
    """The next `count` events of a greenhouse whose stream is at `version` (-1: it has none yet).

    A new greenhouse is initialized first. All others are drawn from EVENT_TYPES at random.
    """
    if count < 1:
        return []
    first = [NewEvent(INITIALIZED, _initial(random))] if version < 0 else []
    return first + [_any_event(random) for _ in range(count - len(first))]


def _any_event(random: Random) -> NewEvent:
    event_type, payload = random.choice(EVENT_TYPES)
    metadata = {"causation_id": _uuid(random), "correlation_id": _uuid(random)}
    return NewEvent(event_type, payload(random), metadata)


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _initial(random: Random) -> dict[str, Any]:
    return {**_temperature(random), **_percentage("humidity")(random), **_percentage("light")(random)}


def _temperature(random: Random) -> dict[str, Any]:
    return {"temperature": random.randint(*TEMPERATURES)}


def _percentage(name: str) -> Payload:
    return lambda random: {name: random.randint(*PERCENTAGES)}


def _set_by_operator(measure: Payload) -> Payload:
    return lambda random: {**measure(random), "operator": random.choice(OPERATORS)}


EVENT_TYPES: Final[tuple[tuple[str, Payload], ...]] = (
    ("temperature_measured:v1", _temperature),
    ("humidity_measured:v1", _percentage("humidity")),
    ("light_measured:v1", _percentage("light")),
    ("desired_temperature_set:v1", _set_by_operator(_temperature)),
    ("desired_humidity_set:v1", _set_by_operator(_percentage("humidity"))),
    ("desired_light_set:v1", _set_by_operator(_percentage("light"))),
    ("fan_activated:v1", _percentage("intensity")),
    ("fan_deactivated:v1", _percentage("intensity")),
    ("light_activated:v1", _percentage("intensity")),
    ("light_deactivated:v1", _percentage("intensity")),
    ("heater_activated:v1", _percentage("intensity")),
    ("heater_deactivated:v1", _percentage("intensity")),
    ("sprinkler_activated:v1", _percentage("intensity")),
    ("sprinkler_deactivated:v1", _percentage("intensity")),
)
"""Every type that follows `initialized:v1`, with the maker of its payload."""
