"""Messages of pub/sub as people read them: the time, the topic, what it is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import typer

from gater.cli import output
from gater.messages.showing import encode, shown


def message_line(topic: str, body: Any, came: datetime, *, coloured: bool) -> str:
    """A message on one line: with the tag and the fields of a record, otherwise as JSON.

    The time is when the record was made, or when the message `came`. Fields that say nothing are left out.
    """
    when, tag, text = _parts(shown(body), came)
    moment, topic, tag = output.moment(when), output.printable(topic), output.printable(tag)
    if coloured:
        moment, topic, tag = typer.style(moment, dim=True), typer.style(topic, fg="cyan"), typer.style(tag, bold=True)
    return "  ".join([moment, topic, *filter(None, (tag, output.printable(text)))]) + "\n"


def _parts(message: Any, came: datetime) -> tuple[datetime, str, str]:
    match message:
        case {"tag": str(tag), "signed": bool(), "record": {"timestamp": datetime() as made} as record}:
            return made, tag, _fields({name: value for name, value in record.items() if name != "timestamp"})
        case [str(tag), dict() as fields]:
            return came, tag, _fields(fields)
        case [str(tag), rest]:
            return came, tag, _as_json(rest)
    return came, "", _as_json(message)


def _fields(fields: Mapping[Any, Any]) -> str:
    said = {str(name): value for name, value in fields.items() if value is not None and value not in ({}, [], "")}
    return " ".join(f"{name}={_value(value)}" for name, value in said.items())


def _value(value: Any) -> str:
    """As JSON, without the quotes where nothing needs them."""
    is_word = isinstance(value, str) and not any(character in ' "=' for character in value)
    return str(value) if is_word else _as_json(value)


def _as_json(value: Any) -> str:
    return encode(value).decode()
