"""The options that say which events are meant."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from gater.cli.selecting import chosen, of_stream, short_text, together
from gater.model.selectors import Selector, by_event_type, by_stream, parse_selector, stream_prefix


def plain(selector: Selector | None) -> Any:
    return None if selector is None else selector.to_plain()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ({}, None),
        ({"types": []}, None),
        ({"types": ["A"]}, {"by_event_type": "A"}),
        ({"types": ["A", "B"]}, {"any_of": [{"by_event_type": "A"}, {"by_event_type": "B"}]}),
        ({"prefix": "order-"}, {"stream_prefix": "order-"}),
        ({"where": '{"operator": "John"}'}, {"by_event_payload": {"operator": "John"}}),
        ({"pattern": '{"version": 0}'}, {"by_event_pattern": {"version": 0}}),
        ({"selector": '{"by_stream": "$all"}'}, {"by_stream": "$all"}),
        (
            {"types": ["A"], "prefix": "p", "where": "{}"},
            {"all_of": [{"by_event_type": "A"}, {"stream_prefix": "p"}, {"by_event_payload": {}}]},
        ),
        (
            {"types": ["A", "B"], "prefix": "p"},
            {"all_of": [{"any_of": [{"by_event_type": "A"}, {"by_event_type": "B"}]}, {"stream_prefix": "p"}]},
        ),
        (
            {"prefix": "p", "selector": '{"any_of": [{"by_event_type": "A"}]}'},
            {"all_of": [{"stream_prefix": "p"}, {"any_of": [{"by_event_type": "A"}]}]},
        ),
    ],
)
def test_all_that_is_said_must_hold(typed: dict[str, Any], meant: Any) -> None:
    assert plain(chosen(**typed)) == meant


@pytest.mark.parametrize(
    ("typed", "option", "reason"),
    [
        ({"types": [""]}, "--type", "UTF-8"),
        ({"prefix": ""}, "--prefix", "UTF-8"),
        ({"where": "nonsense"}, "--where", "not JSON"),
        ({"where": "[1]"}, "--where", "a JSON object"),
        ({"where": "[" * 17 + "]" * 17}, "--where", "a JSON object"),
        ({"pattern": '{"nope": 1}'}, "--pattern", "nope: an event has no such field"),
        ({"selector": '{"by_nothing": 1}'}, "--selector", "one of by_stream"),
        ({"selector": '{"any_of": []}'}, "--selector", "list"),
        ({"selector": "{}"}, "--selector", "one of by_stream"),
    ],
)
def test_what_is_no_selector_is_a_usage_error_that_names_the_option(
    typed: dict[str, Any], option: str, reason: str
) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        chosen(**typed)
    assert refused.value.param_hint == option
    assert reason in refused.value.message


def test_a_stream_and_a_selector_go_together() -> None:
    assert of_stream(None) is of_stream("$all") is together(None, None) is None
    both = together(of_stream("order-1"), by_event_type("A"))
    assert both is not None
    assert both.stream_id == "order-1"
    assert together(None, by_stream("a")) == of_stream("a")


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"by_stream": "$all"}, "$all"),
        ({"by_stream": "order-1"}, "by_stream order-1"),
        ({"by_stream": "all"}, "by_stream all"),
        ({"by_event_payload": {"operator": "John"}}, 'by_event_payload {"operator":"John"}'),
        ({"all_of": [{"by_event_type": "A"}]}, "by_event_type A"),
        (
            {"all_of": [{"any_of": [{"by_event_type": "A"}, {"by_event_type": "B"}]}, {"stream_prefix": "p"}]},
            "(by_event_type A | by_event_type B) & stream_prefix p",
        ),
    ],
)
def test_a_selector_is_shown_on_one_line(selector: Any, text: str) -> None:
    assert short_text(parse_selector(selector)) == text
    assert short_text(stream_prefix("p")) == "stream_prefix p"
