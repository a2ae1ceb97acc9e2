"""`gater consume`: process the events of a durable subscription, by printing them or with a command."""

from __future__ import annotations

import sys
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import typer

from gater.cli import output
from gater.cli.arguments import StoreName, SubscriptionName
from gater.cli.command import Call
from gater.cli.event_command import EventCommand, delivered
from gater.cli.event_table import event_line
from gater.cli.failures import FAILED
from gater.cli.stopping import stopping_on_signals

if TYPE_CHECKING:
    from gater.api.delivery import Delivery
    from gater.model.subscriptions import GroupSettings, NackAction

PRINTED_AHEAD: Final = 100
"""Deliveries that wait here to be printed, unless something else is said."""

_EXEC: Final = "With --exec"

Command = Annotated[
    str | None,
    typer.Option("--exec", metavar="COMMAND", help="Run this for each event, instead of printing it; no shell."),
]
Failed = Annotated[
    str | None,
    typer.Option(
        "--on-failure",
        metavar="retry|park|skip|stop",
        help="What becomes of an event whose command fails; stop gives it back and ends with 1.",
        show_default="retry",
        rich_help_panel=_EXEC,
    ),
]
Delay = Annotated[
    float | None,
    typer.Option(
        "--delay",
        metavar="SECONDS",
        min=0,
        help="Pause before an event is tried again.",
        show_default="the subscription's backoff",
        rich_help_panel=_EXEC,
    ),
]
Prefetch = Annotated[
    int | None,
    typer.Option(
        "--prefetch",
        metavar="N",
        min=1,
        help="Events to hold here at once; the ack timeout runs for all of them.",
        show_default=f"1 with --exec, otherwise {PRINTED_AHEAD}",
    ),
]
Count = Annotated[int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after so many events.")]

_FATE: Final[dict[NackAction, str]] = {
    "retry": "to be tried again",
    "park": "parked",
    "skip": "skipped",
    "stop": "given back",
}
"""What can become of an event whose command has failed."""


class Worker(Protocol):
    """Handle each delivery with the program, or print it."""

    async def work(self, delivery: Delivery) -> bool:
        """Process a delivery and settle it; whether to go on."""
        ...

    def last(self) -> None:
        """End after the delivery that is being handled."""
        ...

    def hurry(self, number: int) -> None:
        """A signal came while it worked on the last."""
        ...


async def consume(
    call: Call,
    store: StoreName,
    name: SubscriptionName,
    command: Command = None,
    on_failure: Failed = None,
    delay: Delay = None,
    prefetch: Prefetch = None,
    count: Count = None,
) -> None:
    """Process the events of a durable subscription, one after the other, until Ctrl-C.

    Each event is printed, and acknowledged when it is written. With --exec, a command gets it as JSON on its stdin,
    with GATER_STREAM_ID, GATER_EVENT_TYPE, GATER_POSITION and GATER_ATTEMPT in its environment; exit code 0
    acknowledges the event. Ctrl-C and SIGTERM let the command finish; a second one is passed on to it.
    """
    settling = _how_failures_are_settled(command, on_failure, delay)
    running = None if command is None else EventCommand.parsed(command)
    held = prefetch or (PRINTED_AHEAD if running is None else 1)
    async with call.api() as api:
        settings = (await api.get_subscription(store, name)).settings
        worker: Worker = Printing(call) if running is None else Running(call, running, *settling, settings)
        goes_on = True
        with stopping_on_signals(worker.last, worker.hurry) as stop:
            async with aclosing(api.consume(store, name, prefetch=min(held, count or held))) as deliveries:
                async for delivery in deliveries:
                    with stop.at_work():
                        goes_on = await worker.work(delivery)
                    count = None if count is None else count - 1
                    if stop.asked or count == 0:
                        break
    if not goes_on:
        raise typer.Exit(FAILED)


def _how_failures_are_settled(
    command: str | None, on_failure: str | None, delay: float | None
) -> tuple[NackAction, float | None]:
    if command is None and (on_failure is not None or delay is not None):
        raise typer.BadParameter("only a command can fail: say --exec", param_hint="--on-failure and --delay")
    if delay is not None and on_failure not in (None, "retry"):
        raise typer.BadParameter("only what is retried waits", param_hint="--delay")
    if on_failure is not None and on_failure not in _FATE:
        raise typer.BadParameter(f"one of {', '.join(_FATE)}, not {on_failure!r}", param_hint="--on-failure")
    return on_failure or "retry", delay


class Printing:
    """Prints each event."""

    def __init__(self, call: Call) -> None:
        self._json = call.json
        self._coloured = output.in_colour()

    async def work(self, delivery: Delivery) -> bool:
        """Print the event, then acknowledge it."""
        if self._json:
            output.print_lines([delivered(delivery)])
        else:
            output.print_text(event_line(delivery.event, coloured=self._coloured, attempt=delivery.attempt))
        await delivery.ack()
        return True

    def last(self) -> None:
        """Printing does not last long enough to tell."""

    def hurry(self, number: int) -> None:
        """Nor to be hurried."""


class Running:
    """Runs a command for each event."""

    def __init__(
        self, call: Call, command: EventCommand, on_failure: NackAction, delay: float | None, settings: GroupSettings
    ) -> None:
        self._quiet = call.json
        self._command = command
        self._on_failure = on_failure
        self._delay = delay
        self._settings = settings

    async def work(self, delivery: Delivery) -> bool:
        """Run the command; acknowledge the event if it succeeds, otherwise do as was said."""
        began = time.monotonic()
        failure = await self._command.run(delivery)
        seconds, limit = time.monotonic() - began, self._settings.ack_timeout
        if seconds > limit:
            too_long = f"the command took {output.duration(seconds)}, more than the ack timeout of {limit:g} s"
            self._tell(delivery, f"{too_long}: the event is delivered again")
        if failure is None:
            await delivery.ack()
            return True
        self._tell(delivery, f"{failure}, {self._fate(delivery.attempt)}")
        await delivery.nack(self._on_failure, delay=self._delay, reason=failure)
        return self._on_failure != "stop"

    def _fate(self, attempt: int) -> str:
        """The settlement of an event after so many failures."""
        last = self._on_failure == "retry" and attempt > self._settings.max_retries
        return _FATE["park" if last else self._on_failure]

    def last(self) -> None:
        """Tell a user at a terminal what the command waits for."""
        if sys.stderr.isatty() and not self._quiet:
            output.remark("Ends when the command has ended; a second signal is passed on to it.")

    def hurry(self, number: int) -> None:
        """Let the command know."""
        self._command.signal(number)

    def _tell(self, delivery: Delivery, what: str) -> None:
        if not self._quiet:
            event = delivery.event
            output.remark(f"{output.printable(event.stream_id)} v{event.version}, attempt {delivery.attempt}: {what}.")
