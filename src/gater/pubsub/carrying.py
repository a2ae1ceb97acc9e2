"""The link from the instances of a process to those of others: an adapter, and errors for malformed messages."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

import msgspec

from gater.model.errors import GaterError
from gater.model.message_body import check_body
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.bus import Bus
from gater.pubsub.instances import Instance

log = logging.getLogger(__name__)

_decode = msgspec.msgpack.Decoder().decode


class Carrying:
    """The adapters of a shared pub/sub system; the first that reaches other processes is in use.

    One at a time: two would bring every message twice. When its owner takes it away, the next one takes its place.
    """

    def __init__(self, buses: Mapping[Instance, Bus]) -> None:
        self.refused = 0
        """Messages that came and were not plain data under a topic."""
        self._buses = buses
        self._adapters: list[Adapter] = []
        self._gets_nonsense = False

    async def attach(self, adapter: Adapter) -> None:
        """Begin to use an adapter, as soon as it is the first; it is detached by the same caller."""
        await adapter.start(partial(self._came, adapter))
        if adapter.reaches_others:
            self._adapters.append(adapter)
            self._use_first()

    async def detach(self, adapter: Adapter) -> None:
        """Use an adapter no longer, and close it."""
        if adapter in self._adapters:
            self._adapters.remove(adapter)
            self._use_first()
        await adapter.close()

    def _use_first(self) -> None:
        carry = self._adapters[0].publish if self._adapters else None
        for bus in self._buses.values():
            bus.carry_by(carry)

    def _came(self, adapter: Adapter, instance: Instance, topic: str, encoded: bytes) -> None:
        """Give the subscribers of this process what another has published; logs the first nonsense of an episode."""
        if not self._adapters or self._adapters[0] is not adapter:
            return
        try:
            body = check_body(_decode(encoded))
            self._buses[instance].broadcast_here(topic, body)
        except (msgspec.MsgspecError, ValueError, RecursionError, GaterError) as error:
            self.refused += 1
            if not self._gets_nonsense:
                self._gets_nonsense = True
                facts = {"instance": instance.value, "reason": str(error)}
                log.warning("what came from another process is no message", extra=facts)
        else:
            self._gets_nonsense = False
