"""The output of commands: JSON for programs on stdout, tables for people, remarks on stderr."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

    from gater.model.events import Event

UNBOUNDED: Final = 100_000
"""Columns of an output that is not a terminal: nothing is folded or cut there."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def print_document(value: Any) -> None:
    """Print one JSON document."""
    import msgspec

    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def print_lines(values: Iterable[Any]) -> None:
    """Print each value as a line of JSON (NDJSON), at once; whatever line breaks its payload holds."""
    import msgspec

    from gater.model.json_rules import on_one_line

    encode = msgspec.json.Encoder().encode
    sys.stdout.buffer.write(b"".join([on_one_line(encode(value)) + b"\n" for value in values]))
    sys.stdout.buffer.flush()


def print_text(text: str) -> None:
    """Print text as it is, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their headings, whole numbers to the right; with no rows, the remark `empty`."""
    from rich.table import Table
    from rich.text import Text

    shown = [[_cell(value) for value in row] for row in rows]
    if not shown:
        remark(empty)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading, cell in zip(columns, shown[0], strict=True):
        table.add_column(heading, justify=cell[1], overflow="fold")
    for row in shown:
        table.add_row(*[Text(text) for text, _ in row])
    stdout_console().print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print what is known of one thing, a fact a line."""
    shown = [(name, _fact(value)) for name, value in facts]
    width = max(len(name) for name, _ in shown)
    console = stdout_console()
    for name, text in shown:
        console.print(f"[bold]{name.ljust(width)}[/bold]  ", end="")
        console.print(text, markup=False, highlight=False)


def remark(text: str) -> None:
    """Say something to the person at the terminal, beside the output."""
    print(text, file=sys.stderr)


def stdout_console() -> Console:
    """Stdout as rich sees it: as wide as the terminal, without bound when it is a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=UNBOUNDED)


def in_colour() -> bool:
    """Whether stdout is a terminal that shows colours, and NO_COLOR is not set."""
    return sys.stdout.isatty() and stdout_console().color_system is not None


def printable(text: str) -> str:
    """The text with its control characters spelled out, so that stored data cannot steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def payload_text(raw: bytes, content_type: str) -> str:
    """A payload on one line: JSON as it is, anything else by its size."""
    if content_type != "application/json":
        return f"{len(raw):,} bytes of {printable(content_type)}"
    return printable(" ".join(raw.decode().split("\n")))


def event_payload(event: Event) -> str:
    """An event's data on one line."""
    return payload_text(event.raw_data, event.content_type)


def moment(when: datetime) -> str:
    """A time, UTC, to the millisecond."""
    return when.strftime("%Y-%m-%d %H:%M:%S.") + f"{when.microsecond // 1000:03d}"


def epoch_moment(microseconds: int) -> str:
    """As `moment`, for microseconds since 1970."""
    return moment(datetime.fromtimestamp(microseconds / 1_000_000, UTC))


def size(count: int) -> str:
    """A number of bytes as people say it."""
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def duration(seconds: float) -> str:
    """A length of time as people say it, roughly: `0.4 s`, `12 s`, `3 min`, `5 h`, `4 d`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, length, most in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < most:
            return f"{int(seconds / length)} {unit}"
    return f"{int(seconds / 86_400):,} d"


def counted(number: int, noun: str) -> str:
    """So many of something: `1 event`, `2,000 events`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _fact(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return printable(", ".join(map(str, value)))
        case datetime():
            return f"{moment(value)} UTC"
        case _:
            return printable(str(value))


def _cell(value: object) -> tuple[str, Any]:
    if isinstance(value, bool):
        return ("yes" if value else "no"), "left"
    if isinstance(value, int):
        return f"{value:,}", "right"
    return printable(str(value)), "left"
