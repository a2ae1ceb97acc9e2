"""The options that say which events are meant, and the selector that they make together."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from gater.cli.arguments import ALL_STREAMS, json_object
from gater.cli.option_sets import with_options
from gater.model.errors import InvalidRequestError
from gater.model.selectors import Selector, parse_selector

_WHICH: Final = "Which events"

Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="Only events of this type; may be repeated: of any of them.",
        rich_help_panel=_WHICH,
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        "--prefix", metavar="TEXT", help="Only events of streams that begin with this.", rich_help_panel=_WHICH
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where", metavar="JSON", help="Only events whose data matches this pattern.", rich_help_panel=_WHICH
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        "--pattern", metavar="JSON", help="Only events whose fields match this pattern.", rich_help_panel=_WHICH
    ),
]
AnySelector = Annotated[
    str | None,
    typer.Option(
        "--selector",
        metavar="JSON",
        help='Only events of this selector: {"by_event_type": "…"}, {"any_of": […]}, …',
        rich_help_panel=_WHICH,
    ),
]


def chosen(
    types: list[str] | None = None,
    prefix: str | None = None,
    where: str | None = None,
    pattern: str | None = None,
    selector: str | None = None,
) -> Selector | None:
    """The selector for what was typed, of which all must hold; None when nothing was.

    A usage error names the option whose value is no part of a selector.
    """
    parts: list[Selector] = []
    if types:
        any_type = [_part("--type", "by_event_type", name) for name in types]
        parts.append(any_type[0] if len(any_type) == 1 else _part("--type", "any_of", any_type))
    if prefix is not None:
        parts.append(_part("--prefix", "stream_prefix", prefix))
    if where is not None:
        parts.append(_part("--where", "by_event_payload", json_object(where, "--where")))
    if pattern is not None:
        parts.append(_part("--pattern", "by_event_pattern", json_object(pattern, "--pattern")))
    if selector is not None:
        parts.append(_part("--selector", json_object(selector, "--selector")))
    return together(*parts)


def together(*parts: Selector | None) -> Selector | None:
    """The conjunction of the selectors that are given; None when there is none."""
    given = [part for part in parts if part is not None]
    if len(given) < 2:
        return given[0] if given else None
    joined = given[0]
    for part in given[1:]:
        joined &= part
    return joined


def of_stream(stream: str | None) -> Selector | None:
    """The selector of one stream; None for the whole store, which is also called `$all`."""
    return None if stream in (None, ALL_STREAMS) else parse_selector("by_stream", stream)


selecting: Final = with_options(
    "only", {"types": Types, "prefix": Prefix, "where": Where, "pattern": Pattern, "selector": AnySelector}, chosen
)
"""Give a command the options that say which events; its argument `only` is their selector, or None."""


def short_text(selector: Selector) -> str:
    """A selector on one line: `by_event_type OrderPlaced & stream_prefix order-`."""
    return _text(selector, nested=False)


def _text(selector: Selector, *, nested: bool) -> str:
    if selector.type in ("all_of", "any_of"):
        sign = " & " if selector.type == "all_of" else " | "
        text = sign.join(_text(part, nested=True) for part in selector.value)
        return f"({text})" if nested and len(selector.value) > 1 else text
    if selector.type == "by_stream" and selector.stream_id is None:
        return ALL_STREAMS
    return f"{selector.type} {_value(selector)}"


def _value(selector: Selector) -> str:
    import msgspec

    if isinstance(selector.value, str):
        return selector.stream_id or selector.value
    return msgspec.json.encode(selector.value).decode()


def _part(option: str, *selector: Any) -> Selector:
    try:
        return parse_selector(*selector)
    except InvalidRequestError as error:
        field = error.details.get("field", "selector")
        reason = error.reason if field == "selector" else f"{field}: {error.reason}"
        raise typer.BadParameter(reason, param_hint=option) from None
