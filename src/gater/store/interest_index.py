"""Followers found from an event by what they wait for; those that an event does not concern cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from gater.model.events import DATA, METADATA, STREAM, EventRow
from gater.store.event_fields import JSON_FIELDS, READERS
from gater.store.interests import PRESENT, STREAM_PREFIX, Clause, Interest, Term
from gater.store.payload_index import PayloadIndex

if TYPE_CHECKING:
    from gater.store.watches import Watch

LARGEST_TESTED: Final = 64 << 10
"""Payload bytes of an event up to which interests decide here; about a larger one each follower does in its turn."""

_DEARNESS: Final = {"stream_id": 0, STREAM_PREFIX: 1, "event_type": 4, "content_type": 64}
"""How many interests may share a term before one of another field is preferred, compared."""
_DEARNESS_OF_FIELDS: Final = 8
_DEARNESS_OF_PRESENCE: Final = 64


class Group:
    """The followers that wait for the same events."""

    __slots__ = ("accepts", "clause", "watches")

    def __init__(self, interest: Interest, clause: Clause | None) -> None:
        self.accepts = interest.accepts
        self.clause = clause
        """The terms by which it is found; None: it looks at every event."""
        self.watches: dict[Watch, None] = {}
        """In the order they came."""


class _Index(Protocol):
    """The groups that wait for terms about one field."""

    def load(self, term: Term) -> int: ...

    def add(self, term: Term, group: Group) -> None: ...

    def discard(self, term: Term, group: Group) -> None: ...

    @property
    def is_empty(self) -> bool: ...

    def find(self, event: EventRow, found: list[Group]) -> None: ...


class _FieldIndex:
    """By the value of a field."""

    def __init__(self, field: str) -> None:
        self._read: Callable[[EventRow], Any] = READERS[field]
        self._groups: dict[Any, dict[Group, None]] = {}

    def load(self, term: Term) -> int:
        return len(self._groups.get(term.value, ()))

    def add(self, term: Term, group: Group) -> None:
        self._groups.setdefault(term.value, {})[group] = None

    def discard(self, term: Term, group: Group) -> None:
        groups = self._groups[term.value]
        groups.pop(group, None)
        if not groups:
            del self._groups[term.value]

    @property
    def is_empty(self) -> bool:
        return not self._groups

    def find(self, event: EventRow, found: list[Group]) -> None:
        groups = self._groups.get(self._read(event))
        if groups is not None:
            found += groups


class _PrefixIndex:
    """By the beginning of the stream's id: a look for each length that is waited for, at most 255."""

    def __init__(self) -> None:
        self._groups: dict[int, dict[str, dict[Group, None]]] = {}
        """By length, then by prefix."""

    def load(self, term: Term) -> int:
        return len(self._groups.get(len(term.value), {}).get(term.value, ()))

    def add(self, term: Term, group: Group) -> None:
        self._groups.setdefault(len(term.value), {}).setdefault(term.value, {})[group] = None

    def discard(self, term: Term, group: Group) -> None:
        length = len(term.value)
        groups = self._groups[length][term.value]
        groups.pop(group, None)
        if not groups:
            del self._groups[length][term.value]
        if not self._groups[length]:
            del self._groups[length]

    @property
    def is_empty(self) -> bool:
        return not self._groups

    def find(self, event: EventRow, found: list[Group]) -> None:
        stream_id = event[STREAM]
        for length, by_prefix in self._groups.items():
            groups = by_prefix.get(stream_id[:length])
            if groups is not None:
                found += groups


class InterestIndex:
    """Interests by one of their clauses: of several, by the one that it shares with the fewest others."""

    def __init__(self) -> None:
        self._groups: dict[bytes, Group] = {}
        """By the key of their interest."""
        self._untold: dict[Group, None] = {}
        """Those that look at every event."""
        self._indexes: dict[str, _Index] = {}
        """By field."""

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, interest: Interest, watch: Watch) -> None:
        """Find a follower by these events."""
        group = self._groups.get(interest.key)
        if group is None:
            clause = min(interest.clauses, key=self._cost) if interest.clauses else None
            group = self._groups[interest.key] = Group(interest, clause)
            if clause is None:
                self._untold[group] = None
            else:
                for term in clause:
                    self._index(term.field).add(term, group)
        group.watches[watch] = None

    def discard(self, interest: Interest, watch: Watch) -> None:
        """Find a follower no longer; twice is once."""
        group = self._groups.get(interest.key)
        if group is None or watch not in group.watches:
            return
        del group.watches[watch]
        if group.watches:
            return
        del self._groups[interest.key]
        self._untold.pop(group, None)
        for term in group.clause or ():
            index = self._indexes[term.field]
            index.discard(term, group)
            if index.is_empty:
                del self._indexes[term.field]

    def find(self, event: EventRow) -> Iterator[Watch]:
        """The followers that wait for an event, each once; when the event is large, perhaps others, too."""
        found: list[Group] = list(self._untold)
        for index in self._indexes.values():
            index.find(event, found)
        if not found:
            return
        is_tested = len(event[DATA]) + len(event[METADATA] or b"") <= LARGEST_TESTED
        for group in dict.fromkeys(found):
            if group.accepts is None or not is_tested or group.accepts(event):
                yield from group.watches

    def watches(self) -> Iterator[Watch]:
        """All followers."""
        for group in self._groups.values():
            yield from group.watches

    def _index(self, field: str) -> _Index:
        index = self._indexes.get(field)
        if index is None:
            index = self._indexes[field] = _new_index(field)
        return index

    def _cost(self, clause: Clause) -> int:
        """The cost of being found by a clause: the number of others there, and the cost of a look."""
        shared = dearness = 0
        for term in clause:
            index = self._indexes.get(term.field)
            shared += 0 if index is None else index.load(term)
            dearness = max(dearness, _dearness(term))
        return shared + dearness


def _new_index(field: str) -> _Index:
    if field == STREAM_PREFIX:
        return _PrefixIndex()
    return PayloadIndex(field) if field in JSON_FIELDS else _FieldIndex(field)


def _dearness(term: Term) -> int:
    return _DEARNESS_OF_PRESENCE if term.value is PRESENT else _DEARNESS.get(term.field, _DEARNESS_OF_FIELDS)
