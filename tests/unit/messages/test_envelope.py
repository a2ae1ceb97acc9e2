"""Envelopes: what is sealed can be opened, and everything else is refused with its code and nothing but its code."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.messages import audit, health, logs
from gater.messages.envelope import (
    MOST_BYTES,
    SECURE,
    UNSECURED,
    canonical,
    open_envelope,
    read_canonical,
    seal,
)
from gater.messages.origin import using
from gater.messages.records import RECORDS, Record
from gater.messages.replay import ReplayGuard
from gater.messages.signing import Keyring
from gater.model.errors import InvalidFormatError, MessageError, RequestTooLargeError, ValidationError
from tests.unit.messages.promises import HERE, MOMENT, NOW, PROMISES, Promise

KEYS = Keyring("the secret of the cluster")
NO_KEYS = Keyring()
NONCE = bytes(16)
RECORD = health.node_health("n1", "degraded", load_avg=1.5, checks={"z": 1, "a": {"y": [1], "b": 2}}, timestamp=MOMENT)


def outcome(envelope: Any, keys: Keyring = KEYS, now: float = NOW, guard: ReplayGuard | None = None) -> Any:
    """The record that came out, or the code of the refusal; any other exception is a failure of the test."""
    try:
        return open_envelope(envelope, now, keys, ReplayGuard() if guard is None else guard)
    except MessageError as error:
        return error.code


def sealed(record: Record = RECORD, keys: Keyring = KEYS, now: float = NOW, nonce: bytes = NONCE) -> Any:
    """The envelope as it arrives: lists in place of tuples."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(seal(record, keys, now, nonce)))


@pytest.mark.parametrize("keys", [KEYS, NO_KEYS], ids=["signed", "unsigned"])
@pytest.mark.parametrize("promise", PROMISES, ids=str)
def test_every_record_makes_the_journey(promise: Promise, keys: Keyring) -> None:
    with using(HERE):
        for record in (promise.build(), promise.build(**{each.name: each.valid for each in promise.options})):
            assert outcome(seal(record, keys, NOW, NONCE), keys) == record
            assert outcome(sealed(record, keys), keys) == record


def test_the_shapes_are_as_documented() -> None:
    envelope: Any = seal(RECORD, KEYS, NOW, NONCE)
    kind, (key_id, sent, nonce, digest), original = envelope
    assert (kind, sent, nonce) == ("secure_message", 1_700_000_000_250, NONCE)
    assert (len(key_id), len(digest)) == (8, 32)
    tag, fields = msgspec.msgpack.decode(original)
    assert (tag, fields) == ("node_health_updated", RECORD.to_dict())
    assert list(fields) == sorted(fields)
    assert list(fields["checks"]["a"]) == ["b", "y"]
    assert seal(RECORD, NO_KEYS, NOW, NONCE) == ("unsecured_message", original)


def test_the_order_in_which_maps_were_filled_does_not_matter() -> None:
    other = health.node_health(
        "n1", "degraded", timestamp=MOMENT, checks={"a": {"b": 2, "y": [1]}, "z": 1}, load_avg=1.5
    )
    assert seal(RECORD, KEYS, NOW, NONCE) == seal(other, KEYS, NOW, NONCE)


def test_the_bytes_are_the_same_in_every_process() -> None:
    code = (
        "from datetime import datetime, UTC; from gater.messages import health; "
        "from gater.messages.envelope import canonical; "
        f"r = health.node_health('n1', 'degraded', checks={{'a': {{'b': 2, 'y': [1]}}, 'z': 1}}, load_avg=1.5, "
        f"timestamp=datetime.fromtimestamp({NOW}, UTC)); print(canonical(r).hex())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == canonical(RECORD).hex()


SIGNED = sealed()
SIGNATURE = SIGNED[1]
ORIGINAL = SIGNED[2]
UNSIGNED = sealed(keys=NO_KEYS)
REORDERED = msgspec.msgpack.encode(("node_health_updated", dict(reversed(RECORD.to_dict().items()))))
EMPTY_TAG = msgspec.msgpack.encode(("", {}))


@pytest.mark.parametrize(
    ("envelope", "keys", "code"),
    [
        (SIGNED, Keyring("another secret"), "invalid_signature"),
        ([SECURE, SIGNATURE, REORDERED], KEYS, "invalid_signature"),
        ([SECURE, SIGNATURE, ORIGINAL[:-1]], KEYS, "invalid_signature"),
        ([SECURE, SIGNATURE, b""], KEYS, "invalid_signature"),
        ([SECURE, SIGNATURE[::-1], ORIGINAL], KEYS, "invalid_signature"),
        ([SECURE, SIGNATURE[:3], ORIGINAL], KEYS, "invalid_signature"),
        ([SECURE, [*SIGNATURE[:3], SIGNATURE[3][:31]], ORIGINAL], KEYS, "invalid_signature"),
        ([SECURE, [*SIGNATURE[:3], b""], ORIGINAL], KEYS, "invalid_signature"),
        ([SECURE, [SIGNATURE[0], SIGNATURE[1] + 1, *SIGNATURE[2:]], ORIGINAL], KEYS, "invalid_signature"),
        ([SECURE, None, ORIGINAL], KEYS, "invalid_signature"),
        ([SECURE, b"x" * 32, ORIGINAL], KEYS, "invalid_signature"),
        (SIGNED, NO_KEYS, "no_secret_configured"),
        (UNSIGNED, KEYS, "unsecured_message_rejected"),
        (UNSIGNED, Keyring(previous=["old"]), "unsecured_message_rejected"),
        ([UNSECURED, b"\xc1"], NO_KEYS, "invalid_format"),
        ([UNSECURED, ORIGINAL[:-1]], NO_KEYS, "invalid_format"),
        ([UNSECURED, EMPTY_TAG], NO_KEYS, "invalid_format"),
        ([UNSECURED, b"\x92" + b"\xa3tag" + b"\x91" * 100_000], NO_KEYS, "invalid_format"),
        ([UNSECURED, msgspec.msgpack.encode(("log_entry", {}))], NO_KEYS, "invalid_format"),
        ([SIGNATURE, SECURE, ORIGINAL], KEYS, "invalid_format"),
        ([ORIGINAL, SIGNATURE, SECURE], KEYS, "invalid_format"),
        ([SECURE, ORIGINAL], KEYS, "invalid_format"),
        ([SECURE, SIGNATURE, "text"], KEYS, "invalid_format"),
        ([SECURE, SIGNATURE, ["node_health_updated", {}]], KEYS, "invalid_format"),
        ([UNSECURED, SIGNATURE, ORIGINAL], KEYS, "invalid_format"),
        ([*SIGNED, None], KEYS, "invalid_format"),
        (SIGNED[:2], KEYS, "invalid_format"),
        (ORIGINAL, KEYS, "invalid_format"),
        (RECORD, KEYS, "invalid_format"),
    ],
)
def test_what_is_not_to_be_believed_is_refused_with_its_code(envelope: Any, keys: Keyring, code: str) -> None:
    assert outcome(envelope, keys) == code


@pytest.mark.parametrize("keys", [KEYS, NO_KEYS], ids=["with keys", "without"])
@pytest.mark.parametrize(
    "garbage", [None, True, 0, 1.5, "", SECURE, b"", b"\x93", [], (), {}, {SECURE: 1}, [[]], [None] * 3, object(), {1}]
)
def test_garbage_has_one_outcome(garbage: Any, keys: Keyring) -> None:
    assert outcome(garbage, keys) == "invalid_format"


def test_a_replayed_message_is_refused_and_one_that_is_too_old() -> None:
    guard = ReplayGuard()
    assert outcome(SIGNED, guard=guard) == RECORD
    assert outcome(SIGNED, guard=guard) == "message_replayed"
    assert outcome(sealed(nonce=b"another nonce...")) == RECORD
    for now in (NOW - 301, NOW + 301):
        assert outcome(SIGNED, now=now) == "message_expired"
    assert outcome(SIGNED, now=NOW + 299) == RECORD


def test_a_message_of_the_previous_key_is_opened() -> None:
    assert outcome(SIGNED, Keyring("new", ["the secret of the cluster"])) == RECORD


def test_a_bad_signature_takes_no_memory() -> None:
    guard = ReplayGuard()
    assert outcome([SECURE, SIGNATURE, b"other"], guard=guard) == "invalid_signature"
    assert guard.remembered == 0


def test_a_good_signature_does_not_make_a_record() -> None:
    original = msgspec.msgpack.encode(("node_health_updated", {**RECORD.to_dict(), "status": "splendid"}))
    envelope = (SECURE, KEYS.sign(original, int(NOW * 1_000), NONCE), original)
    with pytest.raises(InvalidFormatError, match="status"):
        open_envelope(envelope, NOW, KEYS, ReplayGuard())


def test_a_message_has_a_largest_size() -> None:
    fits = functools.partial(logs.log_entry, "info", module="m", log_id="l", node="n", pid=1, timestamp=MOMENT)
    room = MOST_BYTES - len(canonical(fits(message="x" * 70_000))) + 70_000
    assert outcome(sealed(fits(message="x" * room))).message == "x" * room
    with pytest.raises(RequestTooLargeError):
        seal(fits(message="x" * (room + 1)), KEYS, NOW, NONCE)
    with pytest.raises(InvalidFormatError, match="larger"):
        read_canonical(canonical(fits(message="x" * (room + 1))))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=40)
    | st.sampled_from([SECURE, UNSECURED, ORIGINAL, NONCE, *SIGNATURE]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=12,
)
anything = plain | st.tuples(st.sampled_from([SECURE, UNSECURED]), plain) | st.tuples(st.just(SECURE), plain, plain)
any_keys = st.sampled_from([KEYS, NO_KEYS, Keyring(previous=["old"])])

REFUSALS = {
    "invalid_signature",
    "no_secret_configured",
    "unsecured_message_rejected",
    "invalid_format",
    "message_expired",
}


@given(anything, any_keys)
def test_any_value_is_refused_with_a_code(value: Any, keys: Keyring) -> None:
    is_sound = value in ([UNSECURED, ORIGINAL], (UNSECURED, ORIGINAL))
    assert is_sound or outcome(value, keys) in REFUSALS


@given(st.data())
def test_a_signed_message_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    wire = bytearray(msgspec.msgpack.encode(SIGNED))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(wire) - 1))
        wire[place] = data.draw(st.integers(0, 255))
    try:
        envelope = msgspec.msgpack.decode(wire[: data.draw(st.integers(1, len(wire)) | st.just(len(wire)))])
    except (msgspec.DecodeError, ValueError):
        return
    assert envelope == SIGNED or outcome(envelope) in REFUSALS


@given(st.binary(max_size=200) | st.builds(msgspec.msgpack.encode, st.tuples(st.sampled_from([*RECORDS]), plain)))
def test_an_unsigned_message_of_any_bytes_is_refused(original: bytes) -> None:
    assert outcome([UNSECURED, original], NO_KEYS) == "invalid_format"


@given(st.sampled_from(PROMISES), st.data())
def test_fields_of_any_value_make_a_valid_record_or_none(promise: Promise, data: st.DataObject) -> None:
    with using(HERE):
        fields = promise.build().to_dict()
    for name in data.draw(st.lists(st.sampled_from([*fields, "surprise"]), min_size=1, max_size=3)):
        fields[name] = data.draw(plain)
    opened = outcome([UNSECURED, msgspec.msgpack.encode((promise.tag, fields))], NO_KEYS)
    assert opened == "invalid_format" or type(opened).from_dict(opened.to_dict()) == opened


@given(st.permutations(range(4)), st.permutations(range(3)))
def test_reordered_parts_are_refused(inner: list[int], outer: list[int]) -> None:
    envelope = [[SECURE, [SIGNATURE[place] for place in inner], ORIGINAL][place] for place in outer]
    in_order = inner == sorted(inner) and outer == sorted(outer)
    code = "invalid_signature" if outer == sorted(outer) else "invalid_format"
    assert outcome(envelope) == (RECORD if in_order else code)


@given(st.dictionaries(st.text(), plain.filter(lambda value: not isinstance(value, float)), max_size=4))
def test_whatever_a_record_accepts_it_brings_to_the_other_side(details: dict[str, Any]) -> None:
    try:
        record = audit.admin_action("root", "config_updated", "settings", details=details, timestamp=MOMENT)
    except ValidationError:
        return
    assert outcome(sealed(record)) == record
