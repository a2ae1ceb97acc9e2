"""The figures of a store's log since the store was opened: batches, commands, and durations of commits."""

from __future__ import annotations

from gater.telemetry.histogram import Histogram


class LogStats:
    """Counts the batches of one log; told by the thread that holds the machine."""

    __slots__ = ("batches", "commands", "commit_durations", "log_pages")

    def __init__(self) -> None:
        self.batches = 0
        """Batches that were written; what needed no writing is not among them."""
        self.commands = 0
        """Commands in them, those that were refused included."""
        self.log_pages = 0
        """Pages in the write-ahead log."""
        self.commit_durations = Histogram()
        """Seconds from the start of the transaction until the batch was as durable as it gets."""

    def committed(self, commands: int, seconds: float) -> None:
        """A batch was committed."""
        self.batches += 1
        self.commands += commands
        self.commit_durations.observe(seconds)
