"""Groups of followers by a value in the JSON of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeVar

import msgspec

from gater.model.events import CONTENT_TYPE, DATA, JSON, METADATA, EventRow
from gater.model.json_rules import UNREADABLE
from gater.store.interests import PRESENT, Term

Group = TypeVar("Group")

_decode: Final[Callable[[bytes], Any]] = msgspec.json.Decoder().decode


class _Node(Generic[Group]):
    """One place in a document: what is waited for here, and further inside."""

    __slots__ = ("inside", "present", "values")

    def __init__(self) -> None:
        self.inside: dict[str | int, _Node[Group]] = {}
        """By the key of an object or the index of a list."""
        self.values: dict[Any, dict[Group, None]] = {}
        self.present: dict[Group, None] = {}

    @property
    def is_empty(self) -> bool:
        return not (self.inside or self.values or self.present)


class PayloadIndex(Generic[Group]):
    """A tree in the shape of the documents that are waited for: an event is compared with what it holds."""

    def __init__(self, field: str) -> None:
        self._is_data = field == "data"
        self._root: _Node[Group] = _Node()

    def load(self, term: Term) -> int:
        """The number of groups that wait for a term."""
        node = self._root
        for key in term.path:
            inner = node.inside.get(key)
            if inner is None:
                return 0
            node = inner
        return len(node.present if term.value is PRESENT else node.values.get(term.value, ()))

    def add(self, term: Term, group: Group) -> None:
        """Let a group wait for a term."""
        node = self._root
        for key in term.path:
            node = node.inside.setdefault(key, _Node())
        groups = node.present if term.value is PRESENT else node.values.setdefault(term.value, {})
        groups[group] = None

    def discard(self, term: Term, group: Group) -> None:
        """Let a group that waits for a term wait for it no longer."""
        nodes = [self._root]
        for key in term.path:
            nodes.append(nodes[-1].inside[key])
        node = nodes.pop()
        if term.value is PRESENT:
            node.present.pop(group, None)
        else:
            node.values[term.value].pop(group, None)
            if not node.values[term.value]:
                del node.values[term.value]
        for key in reversed(term.path):
            if not node.is_empty:
                break
            node = nodes.pop()
            del node.inside[key]

    @property
    def is_empty(self) -> bool:
        """Whether no group waits."""
        return self._root.is_empty

    def find(self, event: EventRow, found: list[Group]) -> None:
        """Add the groups that wait for what the event holds; no more is looked at than it holds, nor than is here."""
        if self._is_data and event[CONTENT_TYPE] != JSON:
            return
        try:
            value = _decode(event[DATA] if self._is_data else event[METADATA] or b"{}")
        except UNREADABLE:
            return  # no selector can look into it
        _collect(self._root, value, found)


def _collect(node: _Node[Group], value: Any, found: list[Group]) -> None:
    found += node.present
    kind = type(value)
    if kind is dict:
        if node.inside:
            for key in _fewer(node.inside, value):
                if key in value and (inner := node.inside.get(key)) is not None:
                    _collect(inner, value[key], found)
    elif kind is list:
        if node.inside:
            for index in _fewer(node.inside, range(len(value))):
                if type(index) is int and index < len(value) and (inner := node.inside.get(index)) is not None:
                    _collect(inner, value[index], found)
    elif node.values and (groups := node.values.get(value)) is not None:
        found += groups


def _fewer(inside: dict[str | int, _Node[Group]], keys: Any) -> Iterable[Any]:
    return inside if len(inside) < len(keys) else keys
