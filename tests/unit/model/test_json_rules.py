"""What JSON must be to be stored: what is admitted can be decoded, and little else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model import json_rules
from gater.model.errors import ValidationError
from gater.model.events import JSON, Event
from gater.model.json_rules import MOST_NESTING, check_json, decode_json
from gater.model.json_view import event_line, snapshot_view
from gater.model.snapshots import Snapshot

digits = st.text("0123456789", min_size=1, max_size=450).map(lambda text: text.lstrip("0") or "0")
numbers = st.builds(
    lambda sign, whole, fraction, exponent: sign + whole + fraction + exponent,
    st.sampled_from(["", "-"]),
    digits,
    st.just("") | digits.map(lambda text: "." + text),
    st.just("")
    | st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 400)),
)
texts = st.text(st.sampled_from('\\"[]{}e019+-x'), max_size=30).map(json.dumps)
documents = st.recursive(
    numbers | texts, lambda inner: st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]")
)


@given(documents, st.sampled_from([0, 600]))
def test_what_is_admitted_is_what_can_be_decoded(document: str, padding: int) -> None:
    raw = f'{{"text":"{"x" * padding}","value":{document}}}'.encode()
    assert is_admitted(raw) == is_decoded(raw)


def is_admitted(raw: bytes) -> bool:
    return is_done(lambda: check_json(raw, "data"))


def is_decoded(raw: bytes) -> bool:
    return is_done(lambda: decode_json(raw, "data"))


def is_done(check: Callable[[], object]) -> bool:
    try:
        check()
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("before", [b"", b'{"a":"' + b'\\\\[{\\"' * 300 + b'"},', b"[]," * 700])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_levels_are_counted_outside_of_text(before: bytes, opening: bytes, closing: bytes) -> None:
    for levels in (MOST_NESTING - 1, MOST_NESTING):
        raw = b"[" + before + opening * levels + b"1" + closing * levels + b"]"
        assert is_admitted(raw) == (levels < MOST_NESTING)


@pytest.mark.parametrize("number", [b"1e999", b"-1E+0400", b"1" * 310 + b".5", b"2" * 4_301, b"0e999", b"1" * 4_300])
def test_large_numbers_are_found_wherever_a_part_ends(monkeypatch: pytest.MonkeyPatch, number: bytes) -> None:
    monkeypatch.setattr(json_rules, "_PART", 256)
    is_sound = is_decoded(number)
    for before in range(200, 280, 7):
        for raw in (b'{"a":"%b","b":%b}', b'{"a":"%b","1e999":[%b,1]}', b'{"a":"\\"%b1e999","b":%b}'):
            document = raw % (b"x" * before + b"y" * 600, number)
            assert is_admitted(document) == is_decoded(document) == is_sound


def test_whole_documents_are_not_decoded_to_look_at_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever decodes keeps the interpreter from all others until the last value."""
    decoded: list[int] = []

    def noted(raw: bytes) -> Any:
        decoded.append(len(raw))
        return msgspec.json.decode(raw)

    monkeypatch.setattr(json_rules, "_decode", noted)
    for part in (b"0e000,", b'"1e999",', b'{"a":1},', b"1" * 250 + b","):
        check_json(b"[" + part * ((1 << 20) // len(part)) + b"1e100]", "data")
    assert decoded
    assert max(decoded) < 300 << 10


def test_bytes_that_are_no_text_are_found_wherever_a_part_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rules, "_PART", 256)
    for before in range(240, 260):
        text = b'"' + b"x" * before + "é€😀".encode() + b"x" * 600
        assert is_admitted(text + b'"')
        assert not is_admitted(text + b'\xff"')
        assert not is_admitted(text + "é".encode()[:1] + b'"')


def test_an_event_of_an_old_file_fails_only_who_looks_into_it() -> None:
    event = Event("s", 0, 1, bytes(16), "T", JSON, b'{"x":1e999}', b'{"y":"\xff"}', 0)
    assert b"1e999" in event_line(event)
    with pytest.raises(ValidationError, match="data"):
        event.to_dict()
    with pytest.raises(ValidationError, match="data"):
        _ = event.data
    with pytest.raises(ValidationError, match="metadata"):
        _ = event.metadata


def test_a_snapshot_of_an_old_file_fails_only_who_looks_into_it() -> None:
    snapshot = Snapshot("a", "s", 1, JSON, b"[1e999]", b"[1e999]", "", 1, 0)
    assert b"1e999" in msgspec.json.encode(snapshot_view(snapshot))
    with pytest.raises(ValidationError, match="data"):
        _ = snapshot.data
    with pytest.raises(ValidationError, match="metadata"):
        _ = snapshot.metadata
