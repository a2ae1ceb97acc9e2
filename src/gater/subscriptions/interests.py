"""Interests of followers: what can be told from single fields about the events that a selector accepts."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from gater.model.selectors import WILDCARD, Selector, is_literal, is_variable
from gater.store.event_fields import JSON_FIELDS
from gater.store.interests import EVERYTHING, PRESENT, STREAM_PREFIX, Clause, Interest, Term
from gater.subscriptions.matching import Matcher

MOST_CLAUSES: Final = 64
"""Clauses of one pattern: a few are enough to find those that tell the most."""

_DECIDED_BY_TERM: Final = ("by_stream", "by_event_type", "stream_prefix")
_TELLING: Final = {"stream_id": 0, STREAM_PREFIX: 2, "event_type": 3, "content_type": 4}
"""How much a term tells, the best first; other fields come second."""

Path = tuple[str | int, ...]


def interest_of(matcher: Matcher) -> Interest:
    """The interest in what a selector accepts."""
    selector = matcher.selector
    if matcher.everything:
        return EVERYTHING
    accepts = None if selector.type in _DECIDED_BY_TERM else matcher.accepts
    key = msgspec.json.encode(selector, order="deterministic")
    return Interest(key, tuple(_clauses(selector)), accepts)


def _clauses(selector: Selector) -> list[Clause]:
    """Conditions that each accepted event fulfils, as many as are known."""
    value = selector.value
    match selector.type:
        case "by_stream":
            stream_id = selector.stream_id
            return [] if stream_id is None else [_clause("stream_id", stream_id)]
        case "by_event_type":
            return [_clause("event_type", value)]
        case "stream_prefix":
            return [_clause(STREAM_PREFIX, value)]
        case "by_event_payload":
            return _payload_clauses("data", value)
        case "by_event_pattern":
            return [clause for field, inner in value.items() for clause in _field_clauses(field, inner)]
        case "all_of":
            return [clause for part in value for clause in _clauses(part)]
        case _:
            return _any_clauses(value)


def _clause(field: str, value: Any, path: Path = ()) -> Clause:
    return frozenset((Term(field, value, path),))


def _any_clauses(parts: tuple[Selector, ...]) -> list[Clause]:
    """One clause of all parts together, made of that of each which tells the most."""
    terms: set[Term] = set()
    for part in parts:
        clauses = _clauses(part)
        if not clauses:
            return []
        terms |= min(clauses, key=_vagueness)
    return [frozenset(terms)]


def _vagueness(clause: AbstractSet[Term]) -> tuple[int, int]:
    worst = max([5 if term.value is PRESENT else _TELLING.get(term.field, 1) for term in clause], default=0)
    return worst, len(clause)


def _field_clauses(field: str, pattern: Any) -> list[Clause]:
    if pattern == WILDCARD or is_variable(pattern):
        return []  # every event has every field
    if field in JSON_FIELDS:
        return _payload_clauses(field, pattern)
    # A field that holds no JSON is never a map or a list: no event is accepted.
    return [frozenset()] if isinstance(pattern, dict | list) else [_clause(field, pattern)]


def _payload_clauses(field: str, pattern: Any) -> list[Clause]:
    """The values in a pattern, then the places that may hold any value."""
    found = list(_payload_terms(field, pattern, ()))
    found.sort(key=lambda term: term.value is PRESENT)
    return [frozenset((term,)) for term in found[:MOST_CLAUSES]]


def _payload_terms(field: str, pattern: Any, path: Path) -> Iterator[Term]:
    if isinstance(pattern, dict) and pattern:
        for key, inner in pattern.items():
            yield from _payload_terms(field, inner, (*path, key))
    elif isinstance(pattern, list) and pattern:
        for index, inner in enumerate(pattern):
            yield from _payload_terms(field, inner, (*path, index))
    elif isinstance(pattern, dict | list) or (isinstance(pattern, str) and not is_literal(pattern)):
        yield Term(field, PRESENT, path)
    else:
        yield Term(field, pattern, path)
