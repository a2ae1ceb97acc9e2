"""A command that is run for an event: what it is given, and how it ended."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import typer

from gater.config.sources import environment_with
from gater.model.errors import InvalidArgumentError

if TYPE_CHECKING:
    from gater.api.delivery import Delivery


class EventCommand:
    """A program with its arguments, run for one event at a time."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._running: asyncio.subprocess.Process | None = None

    @classmethod
    def parsed(cls, text: str) -> EventCommand:
        """The command that was typed, cut into words as a shell does; a usage error when there is no such program."""
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise typer.BadParameter(f"{str(error).lower()}: {text!r}", param_hint="--exec") from None
        if not words or shutil.which(words[0]) is None:
            raise typer.BadParameter(f"a program that can be run, not {text!r}", param_hint="--exec")
        return cls(words)

    async def run(self, delivery: Delivery) -> str | None:
        """Run it for one delivery: the event as JSON on its stdin, what matters most in its environment.

        Returns None when it succeeded, else how it ended. Its output goes where ours does. Raises InvalidArgumentError
        when it cannot be started.
        """
        # Not a pipe, for a command need not read its input, and a pipe without a reader breaks.
        with tempfile.TemporaryFile() as stdin:
            stdin.write(event_json(delivery))
            stdin.seek(0)
            self._running = await self._started(stdin, environment_with(variables(delivery)))
        try:
            return ending(await self._running.wait())
        finally:
            self.signal(signal.SIGKILL)
            self._running = None

    async def _started(self, stdin: IO[bytes], environment: dict[str, str]) -> asyncio.subprocess.Process:
        try:
            # In a session of its own, for Ctrl-C on the terminal is for us: the command may finish its work.
            return await asyncio.create_subprocess_exec(
                *self._words, stdin=stdin, env=environment, start_new_session=True
            )
        except OSError as error:
            raise InvalidArgumentError("exec", f"{error.strerror}: {self._words[0]}") from None

    def signal(self, number: int) -> None:
        """Pass a signal on to the command and what it has started, if it still runs."""
        if self._running is not None and self._running.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, number)


def variables(delivery: Delivery) -> dict[str, str]:
    """The environment variables that tell a command about its event."""
    event = delivery.event
    return {
        "GATER_STREAM_ID": event.stream_id,
        "GATER_EVENT_TYPE": event.event_type,
        "GATER_POSITION": str(event.position),
        "GATER_ATTEMPT": str(delivery.attempt),
    }


def delivered(delivery: Delivery) -> dict[str, Any]:
    """A delivery as JSON shows it: the event, and which attempt it is."""
    from gater.model.json_view import event_view

    return {**event_view(delivery.event), "attempt": delivery.attempt}


def event_json(delivery: Delivery) -> bytes:
    """A delivery as a line of JSON."""
    import msgspec

    from gater.model.json_rules import on_one_line

    return on_one_line(msgspec.json.encode(delivered(delivery))) + b"\n"


def ending(code: int) -> str | None:
    """The description of a process's end by its exit code (negative: the signal that killed it); None for success."""
    if code == 0:
        return None
    if code > 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
