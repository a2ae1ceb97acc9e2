"""A progress bar on stderr, for users at a terminal; silent when stderr is not one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]


@contextmanager
def progress(label: str, total: int | None, *, unit: str = "events", shown: bool = True) -> Iterator[Advance]:
    """Show how far a long work is; yields what to call with the amount of each step.

    `total` None: how much there is to do is not known. Nothing is drawn when not `shown`.
    """
    if not shown or not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    amount = DownloadColumn() if unit == "bytes" else TextColumn("{task.completed:,.0f} " + unit)
    columns = [TextColumn("{task.description}"), BarColumn(), amount, TimeElapsedColumn()]
    if total is not None:
        columns.append(TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda step: bar.advance(task, step)


def _ignore(step: int) -> None:
    """Advance nothing."""


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """Show a spinner for work of unknown length."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(label):
        yield
