"""The screen of the demo."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from gater.demo.observer import seen_line
from gater.model.events import Event

DEFAULT_PORT_URL: Final = "http://127.0.0.1:4001"


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a run."""

    appended: int
    seen: int
    seconds: float

    def __str__(self) -> str:
        rate = self.appended / self.seconds if self.seconds else 0.0
        counts = f"{self.appended:,} events appended, {self.seen:,} seen"
        return f"{counts} in {self.seconds:.1f} s: {rate:,.1f} events per second"


class Screen:
    """Writes to stdout, in colour when it is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def welcome(self, url: str, store: str, data_dir: Path) -> None:
        """Say what is here, and what to do with it."""
        command = command_name()
        place = "" if url == DEFAULT_PORT_URL else f" --url {url}"
        self._print(
            Text("Gater", "bold green").append(": greenhouses at work\n", "default"),
            _fact("API", f"{url}/v1"),
            _fact("Its docs", f"{url}/docs"),
            _fact("Store", f"{store}, in {data_dir}/"),
            Text("\nTry in another terminal:"),
            _command(f"{command} read {store} greenhouse1{place}"),
            _command(f'{command} append {store} greenhouse1 door_opened:v1 \'{{"by": "you"}}\'{place}'),
            Text("\nCtrl-C ends it.\n", "dim"),
        )

    def seen(self, event: Event) -> None:
        """Show an event that the observer has seen."""
        self._print(_coloured(seen_line(event), event))

    def summary(self, summary: Summary) -> None:
        """Show what came of it all."""
        self._print(Text(f"\n{summary}", "bold"))

    def _print(self, *lines: Text) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True)


def command_name() -> str:
    """The name of the program: `gater` when the shell finds it by that name, otherwise its path."""
    typed = Path(sys.argv[0])
    found = shutil.which("gater")
    if typed.name != "gater" or (found is not None and Path(found).resolve() == typed.resolve()):
        return "gater"
    return str(typed.relative_to(Path.cwd()) if typed.is_relative_to(Path.cwd()) else typed)


def _fact(name: str, value: str) -> Text:
    return Text(f"  {name:<9}").append(value, "cyan")


def _command(line: str) -> Text:
    return Text(f"  {line}", "cyan")


def _coloured(line: str, event: Event) -> Text:
    """The line with the stream and the type picked out."""
    text = Text(line)
    begin = line.index(event.stream_id)
    end = begin + len(event.stream_id)
    text.stylize("green", 0, len("SEEN"))
    text.stylize("cyan", begin, end)
    text.stylize("bold", end + 1, end + 1 + len(event.event_type))
    return text
