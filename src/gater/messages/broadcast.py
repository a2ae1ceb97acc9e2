"""The messenger of a node: seals records and publishes them, opens the envelopes of others, counts both."""

from __future__ import annotations

import logging
import platform
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

from gater.messages.envelope import UNSECURED, Envelope, open_envelope, seal
from gater.messages.origin import current_source
from gater.messages.records import Record
from gater.messages.replay import WINDOW_SECONDS, ReplayGuard
from gater.messages.signing import NONCE_BYTES, Keyring
from gater.model.errors import InvalidFormatError, MessageError, MisconfiguredError, ValidationError
from gater.model.identifiers import MAX_TOPIC_BYTES, check_name
from gater.telemetry.sources import MessageFigures

log = logging.getLogger(__name__)

Publish: TypeAlias = Callable[[str, str, Envelope], object]
"""Publishes on a pub/sub instance (its full name), under a topic, without waiting."""


class Messenger:
    """Sends and receives the system messages of one node; belongs to one event loop.

    It becomes the source of node names and times for new records by `origin.use(messenger)`. Raises MisconfiguredError
    when messages must be signed (`allow_unsigned` is false) and there is no key.
    """

    def __init__(
        self,
        publish: Publish,
        keyring: Keyring | None = None,
        *,
        allow_unsigned: bool = True,
        clock: Callable[[], float] = time.time,
        node: str | None = None,
        window: float = WINDOW_SECONDS,
        nonce: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._keyring = Keyring() if keyring is None else keyring
        if not self._keyring.can_sign and (self._keyring or not allow_unsigned):
            raise MisconfiguredError("secret_key_base", "messages must be signed, and there is no key to sign with")
        self.node = node or platform.node() or "localhost"
        self.clock = clock
        self._publish = publish
        self._nonce = nonce
        self._guard = ReplayGuard(window)
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._failing: dict[str, int] = {}
        """By instance, how often publishing has failed since it last succeeded."""
        self.failures: Counter[str] = Counter()
        """How often publishing has failed, by the full name of the instance."""
        self._warned: set[tuple[str, str]] = set()

    def rotate(self, key: str | bytes) -> None:
        """Sign with this key from now on; the one before is still accepted."""
        self._keyring = self._keyring.rotated(key)

    def secure_broadcast(self, topic: str, record: Record) -> None:
        """Publish a record on its instance, signed when there is a key.

        Raises what is a mistake of the caller: InvalidArgumentError for a topic that is no name, ValidationError for
        what is no record. All else that goes wrong is logged and counted: the caller has other business.
        """
        check_name(topic, "topic", MAX_TOPIC_BYTES)
        if not isinstance(record, Record) or not record.tag:
            raise ValidationError("record", f"a record of a system message, not {type(record).__name__}")
        try:
            envelope = seal(record, self._keyring, self.clock(), self._nonce(NONCE_BYTES))
            if envelope[0] == UNSECURED:
                self._count_unsigned("sent", record.instance)
            self._publish(record.instance, topic, envelope)
        except Exception as error:  # noqa: BLE001 - whatever it is, an announcement must not stop what it announces
            self._count_failure(record, topic, error)
        else:
            self._count_success(record.instance)

    def open(self, envelope: Any, *, instance: str | None = None, guard: ReplayGuard | None = None) -> Record:
        """The record in an envelope that came, from this instance if one is named; else a MessageError.

        A message is opened once: whoever else in this process receives it brings a `guard` of its own.
        """
        try:
            record = open_envelope(envelope, self.clock(), self._keyring, self._guard if guard is None else guard)
            if instance is not None and record.instance != instance:
                raise InvalidFormatError(f"a message of {record.instance}")
        except MessageError as error:
            self._refused[error.code] += 1
            raise
        if not self._keyring:
            self._count_unsigned("received", record.instance)
        self._counts["received"] += 1
        return record

    def stats(self) -> MessageFigures:
        """The numbers of messages sent and received so far."""
        counts = self._counts
        return MessageFigures(
            counts["sent"], self.failures.total(), counts["received"], counts["unsigned"], dict(self._refused)
        )

    def _count_unsigned(self, direction: str, instance: str) -> None:
        """Warns of the first unsigned message each way on each instance; a warning for each would be a flood."""
        self._counts["unsigned"] += 1
        if (direction, instance) not in self._warned:
            self._warned.add((direction, instance))
            log.warning("system messages are not signed", extra={"instance": instance, "direction": direction})

    def _count_failure(self, record: Record, topic: str, error: Exception) -> None:
        """Logs the first failure of an episode.

        The others are counted: log lines can be messages themselves, and would fail in turn without end.
        """
        self.failures[record.instance] += 1
        failures = self._failing[record.instance] = self._failing.get(record.instance, 0) + 1
        if failures == 1:
            facts = {"instance": record.instance, "topic": topic, "tag": record.tag, "reason": repr(error)}
            log.warning("a system message was not published", extra=facts)

    def _count_success(self, instance: str) -> None:
        self._counts["sent"] += 1
        failures = self._failing.pop(instance, 0)
        if failures:
            log.info("system messages are published again", extra={"instance": instance, "failures": failures})


def current_messenger() -> Messenger:
    """The messenger that this context or process uses; MisconfiguredError when there is none."""
    source = current_source()
    if not isinstance(source, Messenger):
        raise MisconfiguredError("messenger", "no messenger is in use: a node or origin.use(Messenger(…)) installs one")
    return source
