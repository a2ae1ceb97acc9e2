"""Which function measures which budget, in the order in which a run takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.rounds import Run
from bench.table import Row
from bench.work import (
    consuming,
    filtered,
    growth,
    http_append,
    in_process,
    network_append,
    network_read,
    pubsub,
    start,
    subscribing,
)

WORKS: Final[dict[str, Callable[[Run], list[Row]]]] = {
    "P1": network_append.many_callers,
    "P2": network_append.one_caller,
    "P3": network_append.batches,
    "P4": network_read.one_stream,
    "P5": network_read.whole_store,
    "P6": in_process.appends,
    "P8": subscribing.live_delivery,
    "P9": consuming.deliveries,
    "P10": growth.growth,
    "P10F": filtered.catching_up,
    "P11": http_append.many_callers,
    "P12": start.start_and_idle,
    "P13": pubsub.deliveries,
    "LATE": subscribing.late_joiner,
    "MANY": subscribing.many_subscribers,
    "ISO": pubsub.isolation,
}
