"""Durable subscriptions: how a consumer group behaves, what it delivers, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, get_args

import msgspec

from gater.model.errors import InvalidArgumentError, ValidationError
from gater.model.events import Event
from gater.model.selectors import Selector

TRANSIENT: Final = "transient"
"""The name of what is not kept: such a subscription ends with the connection that made it."""

NackAction = Literal["unknown", "park", "retry", "skip", "stop"]
"""What is to become of an event that was not processed; their order is that of the codes 0 to 4."""
NACK_ACTIONS: Final[tuple[NackAction, ...]] = get_args(NackAction)

LONGEST_SECONDS: Final = 7 * 86_400.0
"""The longest time that a setting or a delay may name: a week."""
MOST_REASON_BYTES: Final = 1_024
"""UTF-8 bytes of a reason that are kept."""

_COUNTS: Final = {
    "max_retries": (0, 1_000),
    "max_in_flight": (1, 100_000),
    "checkpoint_every": (1, 1_000_000),
    "max_consumers": (1, 10_000),
}
_SECONDS: Final = {"ack_timeout": 0.01, "checkpoint_interval": 0.01}
MOST_DELAYS: Final = 100
"""Delays of one `backoff`."""


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a consumer group; durations are in seconds."""

    ack_timeout: float = 30.0
    """An event that is not acknowledged for so long is taken back and given to someone else."""
    max_retries: int = 10
    """An event that failed more often than this is parked."""
    backoff: tuple[float, ...] = (0.1, 1.0, 5.0, 30.0)
    """How long an event waits after its first failure, its second, and so on; the last holds for all further ones."""
    max_in_flight: int = 10_000
    """Events that all consumers together may hold unacknowledged."""
    checkpoint_every: int = 1_000
    """Settled events after which the checkpoint is written at once."""
    checkpoint_interval: float = 1.0
    """The longest time that the checkpoint lags behind what was settled."""
    ordering: Literal["key", "none"] = "key"
    """`key`: no event of a stream is delivered before the one before it is settled. `none`: no such order."""
    max_consumers: int = 100
    """Consumers that may be attached at once."""
    after_park: Literal["continue", "block"] = "continue"
    """With `key`: whether the stream of a parked event goes on, or its later events are parked behind it."""


class GivenSettings(TypedDict, total=False):
    """Some of GroupSettings, by their names."""

    ack_timeout: float
    max_retries: int
    backoff: Sequence[float]
    max_in_flight: int
    checkpoint_every: int
    checkpoint_interval: float
    ordering: Literal["key", "none"]
    max_consumers: int
    after_park: Literal["continue", "block"]


def check_settings(settings: GroupSettings) -> GroupSettings:
    """The settings, if each is within its bounds; else ValidationError naming the field."""
    for name, (least, most) in _COUNTS.items():
        value = getattr(settings, name)
        if type(value) is not int or not least <= value <= most:
            raise ValidationError(name, f"a whole number from {least:,} to {most:,}, not {value!r}")
    for name, shortest in _SECONDS.items():
        _check_seconds(name, getattr(settings, name), shortest)
    if not isinstance(settings.backoff, list | tuple) or not 1 <= len(settings.backoff) <= MOST_DELAYS:
        raise ValidationError("backoff", f"a list of 1 to {MOST_DELAYS} delays")
    for delay in settings.backoff:
        _check_seconds("backoff", delay, 0.0)
    if settings.ordering not in ("key", "none"):
        raise ValidationError("ordering", f"key or none, not {settings.ordering!r}")
    if settings.after_park not in ("continue", "block"):
        raise ValidationError("after_park", f"continue or block, not {settings.after_park!r}")
    return settings


def given_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """These settings and no others, if each is within its bounds; ValidationError names what is wrong."""
    settings = new_settings(**given)
    return {name: getattr(settings, name) for name in given}


def new_settings(**given: Any) -> GroupSettings:
    """The settings with these fields, the others at their defaults; ValidationError names what is wrong."""
    unknown = sorted(set(given) - set(GroupSettings.__struct_fields__))
    if unknown:
        raise ValidationError(unknown[0], "a subscription has no such setting")
    backoff = given.get("backoff")
    if isinstance(backoff, list):
        given["backoff"] = tuple(backoff)
    return check_settings(GroupSettings(**given))


def _check_seconds(name: str, value: Any, shortest: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValidationError(name, f"a number of seconds, not {value!r}")
    if not shortest <= value <= LONGEST_SECONDS:
        raise ValidationError(name, f"{shortest:g} to {LONGEST_SECONDS:g} seconds, not {value!r}")


def check_nack(action: Any, delay: Any, reason: Any) -> tuple[NackAction, float | None, str]:
    """The parts of a nack: an action (a word or its code), a delay in seconds, a reason cut to its bound."""
    if type(action) is int and 0 <= action < len(NACK_ACTIONS):
        action = NACK_ACTIONS[action]
    if not isinstance(action, str) or action not in NACK_ACTIONS:
        raise InvalidArgumentError("action", f"one of {', '.join(NACK_ACTIONS)}, not {action!r}")
    if delay is not None:
        if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_SECONDS:
            raise InvalidArgumentError("delay", f"0 to {LONGEST_SECONDS:g} seconds, not {delay!r}")
        delay = float(delay)
    if reason is not None and not isinstance(reason, str):
        raise InvalidArgumentError("reason", f"text, not {type(reason).__name__}")
    return action, delay, cut_reason(reason or "")


def cut_reason(reason: str) -> str:
    """A reason as it is kept: sound UTF-8, up to its bound."""
    return reason.encode(errors="replace")[:MOST_REASON_BYTES].decode(errors="ignore")


class Waiting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The unsettled events of one stream from a position on, which wait for an earlier one."""

    stream: str
    first: int
    """No event before this position is among them."""
    last: int
    """The position of the last of them."""
    count: int
    epoch: int
    """When the first was written, or one shortly before: microseconds since 1970, UTC."""


class Ahead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Knowledge of the events beyond a checkpoint; its size follows the events that are not settled.

    Records of earlier versions have only `settled` and `attempts`.
    """

    settled: tuple[int, ...] = ()
    """Positions beyond `reached` that are settled already."""
    attempts: tuple[tuple[int, int], ...] = ()
    """Position of an event that is not settled, and how often it failed."""
    reached: int = 0
    """Up to here everything is settled that is neither in `unsettled` nor in `waiting`."""
    unsettled: tuple[int, ...] = ()
    """Positions up to `reached` that are not settled, in order."""
    waiting: tuple[Waiting, ...] = ()
    """Streams with events that wait; a stream may have several, in order."""
    at_work: bool = False
    """Whether consumers in the process of the store may be processing events."""


class SubscriptionConfig(msgspec.Struct, frozen=True):
    """A durable subscription as it was saved."""

    name: str
    selector: Selector
    start_from: int
    """A version when it follows one stream, otherwise a position; -1: what was committed after it was made."""
    settings: GroupSettings
    created_epoch: int
    """When it was made: microseconds since 1970, UTC."""
    updated_epoch: int
    """When it was saved last."""


class SubscriptionInfo(msgspec.Struct, frozen=True):
    """A durable subscription and how it is doing."""

    name: str
    selector: Selector
    start_from: int
    settings: GroupSettings
    created_epoch: int
    updated_epoch: int
    state: str
    """`live`, `catching_up`, `idle` (nobody consumes; it is caught up), `stranded` (events wait, nobody consumes),
    `full` (so much waits to be retried that nothing more is read) or `failed`."""
    checkpoint: int
    """Every event of the subscription up to this position is settled; durable."""
    lag: int
    """Events that are not settled, and those that it has not read yet and that may match: 0 when nothing is left to do.

    Of the one stream that it follows, each visible event. Otherwise those are counted that match, as far as was looked;
    behind that each position of the store. Each answer looks further, so that the figure falls to the true one."""
    lag_seconds: float
    """Age of the oldest event that is not settled; 0 when there is none."""
    consumers: int
    in_flight: int
    """Delivered and not settled."""
    retrying: int
    """Failed, and waiting to be delivered again."""
    parked: int
    delivered: int
    """Deliveries since the node opened the store."""
    redelivered: int
    """Those among them that were not the first of their event."""
    acked: int
    delivery_seconds: float
    """Mean time from delivery to acknowledgement, lately; 0 when nothing was acknowledged."""
    reason: str = ""
    """Why it is `failed` or `full`."""


HealthStatus = Literal["registering", "healthy", "degraded", "failed", "unknown"]
"""How a subscription is, judged by what happened to it last."""


class SubscriptionHealth(msgspec.Struct):
    """The health of one subscription; times in milliseconds since 1970."""

    subscription_name: str
    current_status: HealthStatus = "unknown"
    last_seen: int = 0
    event_count: int = 0
    last_event: str | None = None
    error_count: int = 0
    last_error: str | None = None


class Delivered(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event on its way to a consumer."""

    event: Event
    attempt: int
    """1 for the first delivery."""
    receipt: int
    """What tells this delivery from every other one of the same event."""


class ParkedEvent(msgspec.Struct, frozen=True, array_like=True):
    """An event that was set aside."""

    position: int
    reason: str
    attempts: int
    """How often it was delivered."""
    parked_epoch: int
    """When it was parked: microseconds since 1970, UTC."""
    replaying: bool
    """Whether it is being delivered again."""
    event: Event | None
    """None when it is gone: its stream was deleted."""

    def to_dict(self) -> dict[str, Any]:
        """The parked event as JSON shows it, in plain values: `json.dumps` takes it."""
        return {
            "position": self.position,
            "reason": self.reason,
            "attempts": self.attempts,
            "parked_epoch": self.parked_epoch,
            "replaying": self.replaying,
            "event": None if self.event is None else self.event.to_dict(),
        }
