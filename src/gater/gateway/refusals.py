"""Callers that were refused: counted by reason, logged now and then, and an alert when tokens are tried one by one."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from gater.messages import security
from gater.model.errors import AccessError, UnauthenticatedError
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance
from gater.telemetry.tally import Tally

LOG_SECONDS: Final = 10.0
"""A line for each reason is written at most so often."""
MOST_REASONS: Final = 100
GUESSES: Final = 20
"""Wrong tokens, within GUESS_SECONDS, that look like guessing."""
GUESS_SECONDS: Final = 60.0
"""And the time between two alerts of guessing."""

log = logging.getLogger(__name__)


class Refusals:
    """The refusals of one node since it began."""

    def __init__(self, announcements: Announcements, clock: Callable[[], float] = time.monotonic) -> None:
        self.by_reason = Tally(MOST_REASONS)
        self._announcements = announcements
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}
        """When a reason was logged last, and how often it had been met then."""
        self._guesses: deque[float] = deque(maxlen=GUESSES)
        self._alerted = -GUESS_SECONDS

    def add(self, error: AccessError, address: str | None) -> None:
        """Count a refused caller."""
        reason = str(error.details.get("reason") or "not_allowed")
        self.by_reason.add(reason)
        self._log(reason, error, address)
        if isinstance(error, UnauthenticatedError) and reason != "no_token":
            self._guessed(address)

    def _log(self, reason: str, error: AccessError, address: str | None) -> None:
        now, count = self._clock(), self.by_reason.as_dict()[reason]
        at, before = self._logged.get(reason, (-LOG_SECONDS, 0))
        if now - at >= LOG_SECONDS:
            self._logged[reason] = now, count
            facts = {"reason": reason, "error": error.message, "source": address, "times": count - before}
            log.warning("callers were refused", extra=facts)

    def _guessed(self, address: str | None) -> None:
        now = self._clock()
        self._guesses.append(now)
        first = self._guesses[0]
        if len(self._guesses) == GUESSES and now - first <= GUESS_SECONDS and now - self._alerted >= GUESS_SECONDS:
            self._alerted = now
            text = f"{GUESSES:,} wrong tokens within {now - first:.0f} s"
            self._announcements.publish(
                Instance.SECURITY,
                "threat_detection:gater",
                lambda: security.security_alert("brute_force", "high", text, source_ip=address),
            )
            self._announcements.alert("warning", "security", "tokens are guessed", text, self._announcements.node)
