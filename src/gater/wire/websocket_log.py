"""The log lines of picows, at the level they deserve here."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any


class WebSocketLog(logging.LoggerAdapter[logging.Logger]):
    """Defects as they are; all else (peers that come, go, err or fall silent) for debugging only."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Pass on a line."""
        super().log(level if kwargs.get("exc_info") else min(level, logging.DEBUG), msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The line as it is."""
        return msg, kwargs
