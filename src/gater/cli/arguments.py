"""The arguments and options that several commands share, and the reading of their values."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi

ALL_STREAMS: Final = "$all"
LONGEST_SHOWN: Final = 80
"""Characters of a wrong argument that its error repeats."""

StoreName = Annotated[str, typer.Argument(metavar="STORE", help="Name of the store.")]
SubscriptionName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the durable subscription.")]
StreamId = Annotated[str, typer.Argument(metavar="STREAM", help="Id of the stream.")]
OptionalStream = Annotated[str | None, typer.Argument(metavar="STREAM", help="One stream; without it, the store.")]
Prefix = Annotated[str | None, typer.Option("--prefix", metavar="TEXT", help="Only streams that begin with this.")]
ExpectedVersion = Annotated[
    str | None,
    typer.Option(
        "--expected-version",
        metavar="VERSION",
        help="Refuse unless the stream is at this version; or no_stream, any, stream_exists.",
        show_default="any",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def expected_version(text: str | None) -> int | str:
    """The expected version that was typed: a whole number, or a word, which the API judges."""
    if text is None:
        return "any"
    try:
        return int(text)
    except ValueError:
        return text


def json_value(text: str, name: str) -> bytes:
    """The JSON that was typed, as bytes; a usage error when it is none."""
    import msgspec

    try:
        msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        reason = f"not JSON: {error}: {shown!r} (text needs its quotes: '\"text\"')"
        raise typer.BadParameter(reason, param_hint=name) from None
    return text.encode()


def json_object(text: str | None, name: str) -> dict[str, Any] | None:
    """The JSON object that was typed, if one was; a usage error when it is something else."""
    if text is None:
        return None
    import msgspec

    value = msgspec.json.decode(json_value(text, name))
    if not isinstance(value, dict):
        raise typer.BadParameter(f"a JSON object, not {type(value).__name__}", param_hint=name)
    return value


def start_from(text: str) -> int:
    """Parse the beginning as it was typed: a version or a position, or LIVE."""
    from gater.api.arguments import LIVE

    if text == "live":
        return LIVE
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter(f"a whole number, 0 or more, or live, not {text!r}", param_hint="--from")
    return int(text)


def one_stream(stream: str | None) -> str | None:
    """The stream that was named; None for the whole store, which is also called `$all`."""
    return None if stream == ALL_STREAMS else stream


def confirm(question: str, yes: bool) -> None:
    """Ask before something is gone for good; a usage error without a terminal and without --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Say --yes, for there is nobody to ask.", param_hint="--yes")
    with _interruptible():
        try:
            agreed = typer.confirm(question)
        except typer.Abort:  # Ctrl-C, or the end of the input
            raise KeyboardInterrupt from None
    if not agreed:
        raise typer.Abort


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends at once what waits inside, where a running event loop would only note it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


async def store_names(api: GaterApi, store: str | None) -> list[str]:
    """The store that was named, or all there are."""
    return [store] if store else [info.store.store_id for info in await api.list_stores()]
