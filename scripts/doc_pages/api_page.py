"""The page of the API: functions, methods and values, drawn from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from typing import Final

import gater
from gater.api.gater_api import GaterApi
from gater.api.paged_iterator import PagedIterator
from gater.api.pubsub_api import Listening, PubSubChannel
from gater.api.pubsub_operations import InstanceStatus, PubSubMessage
from scripts.doc_pages.source_facts import (
    fields_of,
    groups_of_methods,
    paragraphs,
    public_methods,
    signature_text,
)

_HEAD: Final = """# API

Everything that is public is in the package `gater`. What fails raises an error of [one tree](errors.md).

## Opening

"""

_METHODS: Final = """## GaterApi

{doc}

Methods shown with `await` are coroutines; those with `async for` are async iterators, which can be left at any time.
The blocking API has the same methods without either.

The sections: {sections}.

"""

_SELECTORS: Final = """## Selectors

Functions that make selectors for reads and subscriptions; `&` and `|` join two. What each matches is told in
[Select events](../how-to/select-events.md).

"""

_VALUES: Final = """## Values

All values are immutable. `Event`, `Snapshot` and `VerifyReport` have `to_dict()`, which gives them as JSON shows them.

"""

_CONSTANTS: Final = """## Constants

| Name | Value | Meaning |
|---|---|---|
| `ANY` | -2 | as expected version: whatever the version is |
| `NO_STREAM` | -1 | as expected version: the stream has no events |
| `STREAM_EXISTS` | -4 | as expected version: the stream has been written to, and is not deleted |
| `LIVE` | -1 | as `start_from`: only what is committed from now on |
| `CAUGHT_UP` | a `Notice` | from `subscribe(notices=True)`: nothing stored is left to read; what comes next is new |
| `FELL_BEHIND` | a `Notice` | from `subscribe(notices=True)`: what comes next is read from the file again |
"""

_OPENERS: Final = {
    "open": ("async with ", "GaterApi"),
    "open_sync": ("with ", "BlockingGaterApi"),
    "connect": ("async with ", "GaterApi"),
    "connect_sync": ("with ", "BlockingGaterApi"),
}
"""How each is used, and what it gives."""

_SHOWN_CLASSES: Final = (
    gater.Consumer,
    gater.Delivery,
    gater.Subscription,
    gater.BlockingConsumer,
    gater.BlockingDelivery,
    PagedIterator,
    PubSubChannel,
    Listening,
)
"""Objects that methods give, and what they offer in turn."""

_SHOWN_SELECTORS: Final = (
    "by_stream",
    "by_event_type",
    "by_event_pattern",
    "by_event_payload",
    "stream_prefix",
    "all_of",
    "any_of",
)

_SHOWN_VALUES: Final = (
    gater.NewEvent,
    gater.Event,
    gater.StreamAppend,
    gater.StreamGuard,
    gater.WriteResult,
    gater.GroupSettings,
    gater.SubscriptionConfig,
    gater.SubscriptionInfo,
    gater.SubscriptionHealth,
    gater.ParkedEvent,
    PubSubMessage,
    InstanceStatus,
    gater.Snapshot,
    gater.StoreInfo,
    gater.StoreConfig,
    gater.StoreStatus,
    gater.VerifyReport,
    gater.Limits,
)


def api_page() -> str:
    """The page as Markdown."""
    openers = "".join(_opener(name) for name in _OPENERS)
    groups = groups_of_methods(GaterApi)
    sections = ", ".join(f"[{group}](#{_anchor(group)})" for group, _ in groups)
    methods = "".join(_group(heading, names) for heading, names in groups)
    values = "".join(_value(cls) for cls in _SHOWN_VALUES)
    head = _METHODS.format(doc=paragraphs(GaterApi), sections=sections)
    classes = "".join(_class(cls) for cls in _SHOWN_CLASSES)
    selectors = _SELECTORS + "".join(_function(name) for name in _SHOWN_SELECTORS)
    return _HEAD + openers + head + methods + classes + selectors + _VALUES + values + _CONSTANTS


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading.replace(" ", "-"))


def _opener(name: str) -> str:
    how, gives = _OPENERS[name]
    function = getattr(gater, name)
    head = signature_text(f"{how}gater.{name}", function, gives)
    return f"### gater.{name}\n\n```text\n{head}\n```\n\n{paragraphs(function)}\n\n"


def _group(heading: str, names: list[str]) -> str:
    return f"### {heading.capitalize()}\n\n" + "".join(_method(GaterApi, name) for name in names)


def _class(cls: type) -> str:
    head = f"## {cls.__name__}\n\n{paragraphs(cls)}\n\n"
    return head + "".join(_method(cls, name) for name in public_methods(cls))


def _function(name: str) -> str:
    function = getattr(gater, name)
    return f"### {name}\n\n```text\n{signature_text(name, function)}\n```\n\n{paragraphs(function)}\n\n"


def _method(cls: type, name: str) -> str:
    method = getattr(cls, name)
    if (gives := str(inspect.signature(method).return_annotation)).startswith("PagedIterator["):
        item = gives.removeprefix("PagedIterator[").removesuffix("]")
        head = signature_text(f"async for {item.lower()} in {name}", method, item)
    elif inspect.iscoroutinefunction(method):
        head = signature_text(f"await {name}", method)
    else:
        head = signature_text(name, method)
    return f"#### {name}\n\n```text\n{head}\n```\n\n{paragraphs(method)}\n\n"


def _value(cls: type) -> str:
    fields = fields_of(cls)
    columns = {
        "Field": [_code(field.name) for field in fields],
        "Type": [_code(field.type) for field in fields],
        "Default": [_code(field.default) for field in fields],
        "Meaning": [_cell(field.doc) for field in fields],
    }
    filled = {heading: cells for heading, cells in columns.items() if any(cells)}
    lines = [list(filled), ["---"] * len(filled), *zip(*filled.values(), strict=True)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {cls.__name__}\n\n{paragraphs(cls)}\n\n{table}\n\n"


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
