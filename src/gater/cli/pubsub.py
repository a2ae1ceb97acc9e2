"""`gater pubsub`: the ten instances of a node, listening to what is told there, and telling something."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from gater.cli import output
from gater.cli.arguments import json_value
from gater.cli.command import Call, command

if TYPE_CHECKING:
    from gater.api.pubsub_operations import InstanceStatus

group = typer.Typer(no_args_is_help=True, help="Listen to messages of a node, and publish messages.")

InstanceName = Annotated[
    str, typer.Argument(metavar="INSTANCE", help="One of those that `gater pubsub instances` lists.")
]
Pattern = Annotated[
    str, typer.Argument(metavar="TOPIC", help="A topic, or with a `*` at its end all that begin so (quote it).")
]
Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="The topic to send under.")]
MessageText = Annotated[str, typer.Argument(metavar="MESSAGE", help="JSON; `-` reads it from stdin.")]
Count = Annotated[int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after so many messages.")]

_COLUMNS: Final = ("INSTANCE", "LISTENERS", "PUBLISHED", "DELIVERED", "DROPPED", "WAITING", "PURPOSE")


@command(group, "instances")
async def instances(call: Call) -> None:
    """List the ten instances: what each is for, what was published, and who listens."""
    _check_served(call)
    async with call.api() as api:
        found = await api.get_pubsub()
    if call.json:
        output.print_document([msgspec.structs.asdict(each) for each in found])
    else:
        output.print_table(_COLUMNS, [_row(each) for each in found], empty="No instances.")


@command(group, "listen", ends_on_interrupt=True)
async def listen(call: Call, instance: InstanceName, topic: Pattern = "*", count: Count = None) -> None:
    """Print messages as they come, from now on, until Ctrl-C.

    A listener that is too slow loses the oldest messages; on security, audit and alerts it ends with an error instead.
    Signatures are not verified.
    """
    from gater.cli.message_lines import message_line
    from gater.messages.showing import shown_as_json

    _check_served(call)
    coloured, left = output.in_colour(), count
    async with call.api() as api:
        channel = api.pubsub(instance)
        async with channel.subscribe(topic) as messages:
            async for message in messages:
                if call.json:
                    output.print_lines(
                        [msgspec.Raw(shown_as_json(channel.instance.value, message.topic, message.body))]
                    )
                else:
                    output.print_text(message_line(message.topic, message.body, datetime.now(UTC), coloured=coloured))
                if left is not None:
                    left -= 1
                    if left == 0:
                        return


@command(group, "send")
async def send(call: Call, instance: InstanceName, topic: Topic, message: MessageText) -> None:
    """Publish a message to the present subscribers of its topic; it is not kept."""
    _check_served(call)
    text = sys.stdin.buffer.read().decode(errors="surrogateescape") if message == "-" else message
    body = msgspec.json.decode(json_value(text, "MESSAGE"))
    async with call.api() as api:
        receivers = await api.pubsub(instance).broadcast(topic, body)
    if call.json:
        output.print_document({"receivers": receivers})
    else:
        print(f"Given to {output.counted(receivers, 'listener')}.")


def _check_served(call: Call) -> None:
    """Refuse a folder of store files, where only this command would receive the messages."""
    if call.target.data_dir is not None:
        raise typer.BadParameter("messages go through a node that runs: name it with --url", param_hint="--data-dir")


def _row(status: InstanceStatus) -> tuple[object, ...]:
    return (
        status.name,
        status.subscribers,
        status.published,
        status.delivered,
        status.dropped,
        status.depth,
        status.purpose,
    )
