"""The functions of a payload module besides its records: one to publish each of them, and one to open messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from gater.messages.broadcast import current_messenger
from gater.messages.records import Record
from gater.messages.replay import ReplayGuard
from gater.model.errors import ValidationError

Sent = TypeVar("Sent", bound=Record)


class Broadcaster(Generic[Sent]):
    """A function that publishes records of one kind with the messenger in use.

    Raises ValidationError for another kind, InvalidArgumentError for a topic that is no name, and MisconfiguredError
    when no messenger is in use. Trouble with publishing is logged and counted, not raised.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: type[Sent]) -> None:
        self.kind = kind

    def __call__(self, topic: str, record: Sent) -> None:
        broadcast_one_of((self.kind,), topic, record)

    def __repr__(self) -> str:
        return f"<broadcast of {self.kind.__name__}>"


def broadcast_one_of(kinds: tuple[type[Record], ...], topic: str, record: Record) -> None:
    """Publish a record of one of these kinds; ValidationError for another."""
    if not isinstance(record, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValidationError("record", f"a record of {names}, not {type(record).__name__}")
    current_messenger().secure_broadcast(topic, record)


def secure_broadcaster(instance: str) -> Callable[[str, Record], None]:
    """`secure_broadcast` of an instance: publishes any of its records, signed when there is a key."""

    def secure_broadcast(topic: str, record: Record) -> None:
        """Publish a record of this instance; ValidationError for one of another."""
        if not isinstance(record, Record) or record.instance != instance:
            raise ValidationError("record", f"a record of {instance}, not {type(record).__name__}")
        current_messenger().secure_broadcast(topic, record)

    return secure_broadcast


class SecureValidator(Protocol):
    """The type of `validate_secure_message`."""

    def __call__(self, message: Any, *, guard: ReplayGuard | None = None) -> Record:
        """The record in an envelope, if it is to be believed."""
        ...


def secure_validator(instance: str) -> SecureValidator:
    """`validate_secure_message` of an instance: opens what came from it."""

    def validate_secure_message(message: Any, *, guard: ReplayGuard | None = None) -> Record:
        """The record in an envelope, if it is to be believed; else a MessageError.

        An envelope passes once in a process; a second receiver brings a guard of its own.
        """
        return current_messenger().open(message, instance=instance, guard=guard)

    return validate_secure_message
