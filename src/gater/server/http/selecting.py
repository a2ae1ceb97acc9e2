"""Selectors as requests carry them: as fields of a query, or as a JSON object with one key."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from gater.model.errors import InvalidArgumentError
from gater.model.selectors import ALL_STREAMS, Selector, parse_selector, parse_whole

DEFAULT_TYPE: Final = "by_stream"
KINDS_AS_TEXT: Final = ("by_stream", "by_event_type", "stream_prefix")
"""Kinds of selectors whose value is text."""
KINDS_AS_JSON: Final = ("by_event_pattern", "by_event_payload", "all_of", "any_of")
"""Kinds whose value is an object or a list; in the field of a query it is written as JSON."""

SELECTOR_SCHEMA: Final = {
    "propertyNames": {"enum": [*KINDS_AS_TEXT, *KINDS_AS_JSON]},
    "minProperties": 1,
    "maxProperties": 1,
    "description": "A selector: one key, which is its kind, and its value.",
}

SelectorMap = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema=SELECTOR_SCHEMA)]
"""A selector in a body."""
Where = Annotated[
    str | None,
    msgspec.Meta(
        description='Only what this selector matches: a JSON object with one key, as `{"by_event_type": "Paid"}`.',
        extra_json_schema={"contentMediaType": "application/json"},
    ),
]
"""A selector in the field of a query, if any."""


def parse_where(text: str) -> Selector:
    """The selector that a JSON object with one key is; InvalidArgumentError or ValidationError when it is none."""
    value = _json(text, "where")
    if not isinstance(value, dict):
        raise InvalidArgumentError("where", "a JSON object with one key, the kind of the selector")
    return parse_whole(value, "where")


def parse_query(type: str, selector: str | None, where: str | None) -> Selector:
    """The selector that a query names: by its kind and value (none: the whole store), or as one object."""
    if where is not None:
        if selector is not None or type != DEFAULT_TYPE:
            raise InvalidArgumentError("where", "not beside type and selector, which say the same in another way")
        return parse_where(where)
    if selector is None:
        return parse_selector(type, ALL_STREAMS) if type == DEFAULT_TYPE else parse_selector(type)
    return parse_selector(type, _json(selector, "selector") if type in KINDS_AS_JSON else selector)


def _json(text: str, argument: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgumentError(argument, f"not JSON: {error}") from None
