"""The command that is run for an event."""

from __future__ import annotations

import json
import signal
import sys
import uuid
from pathlib import Path

import pytest
import typer

from gater.api.delivery import Delivery
from gater.api.subscription_operations import Ack, Nack
from gater.cli.event_command import EventCommand, delivered, ending, event_json, variables
from gater.model.errors import InvalidArgumentError
from gater.model.events import JSON, Event
from gater.model.subscriptions import Delivered


class Nowhere:
    """Takes settlements, and forgets them."""

    async def ack(self, ack: Ack) -> None:
        """Nothing."""

    async def nack(self, nack: Nack) -> None:
        """Nothing."""


EVENT = Event("order-1", 3, 7, uuid.UUID(int=5).bytes, "OrderPlaced", JSON, b'{"total": 12}', None, 1_000_000)
DELIVERY = Delivery(Delivered(EVENT, 2, 1), Nowhere())


def python(code: str) -> EventCommand:
    return EventCommand([sys.executable, "-c", code])


@pytest.mark.parametrize("text", ["", "  ", "'open", "there-is-no-such-program --at all", "/"])
def test_what_cannot_be_run_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        EventCommand.parsed(text)
    assert refused.value.param_hint == "--exec"


async def test_the_text_is_cut_into_words_as_a_shell_does() -> None:
    assert await EventCommand.parsed("sh -c 'test \"$0\" = \"$1\"' 'a b' a\\ b").run(DELIVERY) is None


async def test_a_command_gets_the_event(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, sys
names = "GATER_STREAM_ID", "GATER_EVENT_TYPE", "GATER_POSITION", "GATER_ATTEMPT", "PATH"
pathlib.Path({str(tmp_path / "seen")!r}).write_text(sys.stdin.read() + repr([name in os.environ for name in names]))
"""
    assert await python(code).run(DELIVERY) is None
    line, rest = (tmp_path / "seen").read_text().split("\n")
    assert json.loads(line) == json.loads(event_json(DELIVERY))
    assert json.loads(line)["data"] == {"total": 12}
    assert rest == repr([True] * 5)


def test_what_matters_most_is_in_the_environment() -> None:
    assert variables(DELIVERY) == {
        "GATER_STREAM_ID": "order-1",
        "GATER_EVENT_TYPE": "OrderPlaced",
        "GATER_POSITION": "7",
        "GATER_ATTEMPT": "2",
    }
    assert delivered(DELIVERY)["attempt"] == 2


async def test_a_command_may_ignore_its_input() -> None:
    large = Event("s", 0, 1, bytes(16), "T", JSON, b'"' + b"x" * 1_000_000 + b'"', None, 0)
    assert await python("pass").run(Delivery(Delivered(large, 1, 1), Nowhere())) is None


async def test_how_a_command_failed_is_told() -> None:
    assert await python("raise SystemExit(3)").run(DELIVERY) == "exit code 3"
    assert await python("import os; os.kill(os.getpid(), 9)").run(DELIVERY) == "killed by SIGKILL"


async def test_a_command_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        await EventCommand([str(tmp_path / "gone")]).run(DELIVERY)
    assert refused.value.argument == "exec"


@pytest.mark.parametrize(
    ("code", "told"), [(0, None), (1, "exit code 1"), (-int(signal.SIGTERM), "killed by SIGTERM"), (-999, "signal 999")]
)
def test_endings(code: int, told: str | None) -> None:
    assert (ending(code) or "").endswith(told or "")
    assert (ending(code) is None) == (told is None)


def test_a_signal_for_nobody_is_no_matter() -> None:
    python("pass").signal(signal.SIGTERM)
