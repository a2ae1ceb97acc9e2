"""Messages as people and JSON see them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.messages import audit, health
from gater.messages.envelope import canonical, seal
from gater.messages.showing import shown, shown_as_json
from gater.messages.signing import Keyring, key_id
from tests.unit.messages.promises import MOMENT, NOW

KEY = "the secret of the cluster"
RECORD = audit.access_log("ann", "store", "orders", "verify", True, node="n1", timestamp=MOMENT)

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.binary() | st.integers(), inner),
    max_leaves=8,
)


def test_a_signed_envelope_is_shown_with_its_record() -> None:
    envelope = seal(RECORD, Keyring(KEY), NOW, bytes(16))
    expected = {
        "tag": "access_log",
        "signed": True,
        "key_id": key_id(KEY.encode()),
        "sent": int(NOW * 1_000),
        "record": RECORD.to_dict(),
    }
    assert shown(envelope) == expected
    assert shown(msgspec.msgpack.decode(msgspec.msgpack.encode(envelope))) == expected


def test_an_unsigned_envelope_is_shown_as_such() -> None:
    expected = {"tag": "access_log", "signed": False, "record": RECORD.to_dict()}
    assert shown(("unsecured_message", canonical(RECORD))) == expected


def test_a_forged_signature_is_shown_and_not_vouched_for() -> None:
    kind, signature, original = seal(RECORD, Keyring("another"), NOW, bytes(16))  # type: ignore[misc]
    assert set(shown((kind, (*signature[:3], b"forged"), original))) == {"tag", "signed", "key_id", "sent", "record"}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        ["secure_message"],
        ["secure_message", None, canonical(RECORD)],
        ["secure_message", ["k", 1, bytes(16), b"d"], b"no record"],
        ["secure_message", ["k", -1, bytes(16), b"d"], canonical(RECORD)],
        ["unsecured_message", b""],
        ["unsecured_message", "text"],
        ["unsecured_message", msgspec.msgpack.encode(("no_such_tag", {}))],
        ["unsecured_message", msgspec.msgpack.encode(("access_log", {"user_id": 1}))],
        ["unsecured_message", bytes((1 << 20) + 1)],
        ["events", [{"stream_id": "a"}]],
        {"tag": "access_log"},
    ],
    ids=lambda body: repr(body)[:40],
)
def test_what_is_no_envelope_is_shown_as_it_is(body: Any) -> None:
    assert shown(body) is body


def test_a_message_on_one_line_of_json() -> None:
    line = shown_as_json("health", "node_health", ["unsecured_message", canonical(_health())])
    assert b"\n" not in line
    found = json.loads(line)
    assert (found["instance"], found["topic"]) == ("health", "node_health")
    assert found["message"]["record"]["timestamp"] == MOMENT.isoformat().replace("+00:00", "Z")
    assert json.loads(shown_as_json("events", "t", {"bytes": b"\x00\xff"}))["message"] == {"bytes": "AP8="}


def _health() -> Any:
    return health.node_health("n1", "healthy", timestamp=MOMENT)


@given(plain | st.tuples(st.sampled_from(["secure_message", "unsecured_message"]), plain, plain) | st.lists(plain))
def test_whatever_is_published_can_be_shown(body: Any) -> None:
    shown(body)
    line = shown_as_json("events", "topic", body)
    assert b"\n" not in line
    assert set(json.loads(line)) == {"topic", "instance", "message"}


def test_what_json_cannot_say_is_shown_as_python_prints_it() -> None:
    assert "Ext" in json.loads(shown_as_json("events", "t", msgspec.msgpack.Ext(5, b"x")))["message"]
    assert json.loads(shown_as_json("events", "t", {(1, 2): None}))["message"] == {"(1, 2)": None}
