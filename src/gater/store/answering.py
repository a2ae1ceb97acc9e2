"""The end of a batch: those who follow the store are told of it, then its callers are answered, whatever fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError, InternalError
from gater.model.outcome import Done
from gater.store.log import Committed
from gater.store.plan import Plan

Entry = tuple[AnyCommand, int, Done]
"""A command, the bytes that it weighs, and who wants to know."""

FAILURES: Final = (Exception, asyncio.CancelledError)
"""Errors that foreign code may raise on the event loop without ending the batch's work."""

log = logging.getLogger(__name__)


def defect(count: int, error: Exception) -> Plan:
    """The outcome of a batch that met a defect: the transaction was rolled back, the store is as it was."""
    return Plan([InternalError(message=f"{type(error).__name__}: {error}")] * count)


def finish_batch(store: str, batch: list[Entry], plan: Plan, committed: Committed) -> None:
    """Tell of what a batch did, then answer its callers."""
    if plan.events or plan.hides:
        shielded(store, lambda: committed(plan.events, plan.hides))
    answer_all(batch, plan.outcomes)


def shielded(store: str, tell: Callable[[], None]) -> None:
    """Tell of something that has happened already; when that fails it is logged, for it keeps nothing else back."""
    try:
        tell()
    except FAILURES:
        log.exception("telling of committed events failed", extra={"store": store})


def answer_all(batch: list[Entry], outcomes: list[Any]) -> None:
    """Tell each caller its outcome; one that fails to listen harms no other."""
    for (_, _, done), outcome in zip(batch, outcomes, strict=True):
        try:
            if isinstance(outcome, GaterError):
                done(None, outcome)
            else:
                done(outcome, None)
        except FAILURES:
            log.exception("a caller failed to take its answer")
