"""Callers that were refused: counted by reason, logged now and then, and an alert when tokens are tried one by one."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from gater.model.errors import AccessError, UnauthenticatedError
from gater.monitoring.announcements import Announcements
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

    def __init__(self, announcements: Callable[[], Announcements], clock: Callable[[], float] = time.monotonic) -> None:
        self.by_reason = Tally(MOST_REASONS)
        self._announcements = announcements
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}
        """When a reason was logged last, and how often it had been met then."""
        self._guesses: deque[float] = deque(maxlen=GUESSES)
        self._told = -GUESS_SECONDS

    def note(self, error: AccessError, came_from: str | None) -> None:
        """A caller was refused."""
        reason = str(error.details.get("reason") or "not_allowed")
        self.by_reason.add(reason)
        self._log(reason, error, came_from)
        if isinstance(error, UnauthenticatedError) and reason != "no_token":
            self._guessed(came_from)

    def _log(self, reason: str, error: AccessError, came_from: str | None) -> None:
        now, count = self._clock(), self.by_reason.as_dict()[reason]
        at, before = self._logged.get(reason, (-LOG_SECONDS, 0))
        if now - at >= LOG_SECONDS:
            self._logged[reason] = now, count
            facts = {"reason": reason, "error": error.message, "source": came_from, "times": count - before}
            log.warning("callers were refused", extra=facts)

    def _guessed(self, came_from: str | None) -> None:
        now = self._clock()
        self._guesses.append(now)
        first = self._guesses[0]
        if len(self._guesses) == GUESSES and now - first <= GUESS_SECONDS and now - self._told >= GUESS_SECONDS:
            self._told = now
            self._announcements().tokens_guessed(GUESSES, now - first, came_from)
