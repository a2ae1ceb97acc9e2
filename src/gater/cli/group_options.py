"""The options that say how the consumers of a durable subscription are served."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from gater.cli.option_sets import with_options
from gater.model.subscriptions import GroupSettings

_SETTINGS: Final = "How its consumers are served"
_DEFAULTS: Final = GroupSettings()


def _option(kind: Any, name: str, metavar: str, meaning: str) -> Any:
    default = getattr(_DEFAULTS, name)
    shown = ",".join(f"{each:g}" for each in default) if isinstance(default, tuple) else f"{default}"
    return Annotated[
        kind,
        typer.Option(
            f"--{name.replace('_', '-')}", metavar=metavar, help=meaning, show_default=shown, rich_help_panel=_SETTINGS
        ),
    ]


_OPTIONS: Final = {
    name: _option(kind, name, metavar, meaning)
    for name, kind, metavar, meaning in (
        ("ack_timeout", float | None, "SECONDS", "An event not acknowledged for so long is delivered again."),
        ("max_retries", int | None, "N", "An event that fails more often than this is parked."),
        ("backoff", str | None, "SECONDS,…", "Pauses after the first failure, the second, …; the last for all others."),
        ("max_in_flight", int | None, "N", "Events that all consumers together hold unacknowledged."),
        ("ordering", str | None, "key|none", "key: no event of a stream before the one before it is settled."),
        ("after_park", str | None, "continue|block", "Whether the stream of a parked event goes on, or is parked too."),
        ("max_consumers", int | None, "N", "Consumers at once."),
        ("checkpoint_every", int | None, "N", "Settled events after which the checkpoint is written."),
        ("checkpoint_interval", float | None, "SECONDS", "The longest time until the checkpoint is written."),
    )
}


def given(backoff: str | None = None, **values: Any) -> dict[str, Any]:
    """The settings that were typed, by their names in GroupSettings."""
    typed = {**values, "backoff": None if backoff is None else _delays(backoff)}
    return {name: value for name, value in typed.items() if value is not None}


with_settings: Final = with_options("settings", _OPTIONS, given)
"""Give a command the options of a consumer group; its argument `settings` holds those that were typed."""


def _delays(text: str) -> tuple[float, ...]:
    try:
        return tuple([float(part) for part in text.split(",")])
    except ValueError:
        reason = f"seconds, separated by commas, not {text!r}"
        raise typer.BadParameter(reason, param_hint="--backoff") from None
