"""Events as a table that is printed page by page, and as single lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gater.cli import output

if TYPE_CHECKING:
    from rich.text import Text

    from gater.model.events import Event

_STREAM_COLUMNS: Final = ("VERSION", "TYPE", "CREATED (UTC)", "DATA")
_STORE_COLUMNS: Final = ("POSITION", "STREAM", "VERSION", "TYPE", "CREATED (UTC)", "DATA")
_NUMBERS: Final = frozenset({"POSITION", "VERSION"})


class EventTable:
    """A table whose heading comes with the first page, and whose columns only grow."""

    def __init__(self, *, one_stream: bool) -> None:
        self.count = 0
        self._one_stream = one_stream
        self._columns = _STREAM_COLUMNS if one_stream else _STORE_COLUMNS
        self._widths = [len(column) for column in self._columns]

    def print(self, events: Sequence[Event]) -> None:
        """Print one page."""
        from rich.table import Table
        from rich.text import Text

        rows = [self._row(event) for event in events]
        *fixed, _ = self._widths
        for index, width in enumerate(fixed):
            self._widths[index] = max(width, max(len(row[index]) for row in rows))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=self.count == 0)
        for column, width in zip(self._columns, self._widths, strict=True):
            justify = "right" if column in _NUMBERS else "left"
            table.add_column(column, justify=justify, overflow="fold", min_width=width)  # type: ignore[arg-type]
        for row in rows:
            table.add_row(*[Text(cell) for cell in row])
        output.stdout_console().print(table)
        self.count += len(events)

    def _row(self, event: Event) -> tuple[str, ...]:
        payload = output.event_payload(event)
        version, event_type, created = (
            f"{event.version}",
            output.printable(event.event_type),
            output.moment(event.created),
        )
        if self._one_stream:
            return version, event_type, created, payload
        return f"{event.position}", output.printable(event.stream_id), version, event_type, created, payload


def event_line(event: Event) -> Text:
    """An event on one line, for a reader who watches them arrive."""
    from rich.text import Text

    return Text.assemble(
        (output.moment(event.created), "dim"),
        "  ",
        (output.printable(event.stream_id), "cyan"),
        f"  v{event.version}  ",
        (output.printable(event.event_type), "bold"),
        "  ",
        output.event_payload(event),
    )
