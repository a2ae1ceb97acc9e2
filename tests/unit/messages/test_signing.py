"""Keys, signatures, and the guard that lets each message pass once."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.messages import signing
from gater.messages.replay import ReplayGuard
from gater.messages.signing import Keyring, Signature, key_id
from gater.model.errors import (
    InvalidArgumentError,
    InvalidSignatureError,
    MessageExpiredError,
    MessageReplayedError,
    MisconfiguredError,
    NoSecretError,
)

NONCE = bytes(range(16))


def test_a_signature_is_hmac_sha256_over_key_id_time_nonce_and_message() -> None:
    signature = Keyring("secret").sign(b"original", 1_234, NONCE)
    name = hashlib.sha256(b"idsecret").hexdigest()[:8]
    signed = msgspec.msgpack.encode(["gater system message 1", name, 1_234, NONCE, b"original"])
    assert signature == (name, 1_234, NONCE, hmac.new(b"secret", signed, "sha256").digest())
    assert len(signature.digest) == 32


def test_text_and_bytes_are_the_same_key() -> None:
    assert Keyring("schlüssel").sign(b"x", 1, NONCE) == Keyring("schlüssel".encode()).sign(b"x", 1, NONCE)


@pytest.mark.parametrize(
    "changed",
    [{"sent": 2}, {"nonce": bytes(16)}, {"digest": b""}, {"digest": bytes(32)}, {"digest": bytes(33)}, {"key_id": "x"}],
    ids=str,
)
def test_any_change_makes_a_signature_invalid(changed: dict[str, Any]) -> None:
    keys = Keyring("secret")
    signature = keys.sign(b"original", 1, NONCE)
    keys.check(signature, b"original")
    with pytest.raises(InvalidSignatureError):
        keys.check(signature._replace(**changed), b"original")
    with pytest.raises(InvalidSignatureError):
        keys.check(signature, b"original!")


def test_a_key_is_rotated_in_three_steps_without_refusing_anyone() -> None:
    old, new = "old key", "new key"
    steps = [Keyring(old), Keyring(old, [new]), Keyring(new, [old]), Keyring(new)]
    for before, after in itertools.pairwise(steps):
        before.check(after.sign(b"x", 1, NONCE), b"x")
        after.check(before.sign(b"x", 1, NONCE), b"x")
    with pytest.raises(InvalidSignatureError):
        Keyring(new).check(Keyring(old).sign(b"x", 1, NONCE), b"x")


def test_a_rotated_keyring_keeps_so_many_old_keys() -> None:
    keys = Keyring("a").rotated("b").rotated("c", keep=2)
    for key in ("a", "b", "c"):
        keys.check(Keyring(key).sign(b"x", 1, NONCE), b"x")
    assert keys.sign(b"x", 1, NONCE).key_id == key_id(b"c")
    with pytest.raises(InvalidSignatureError):
        keys.rotated("d").check(Keyring("b").sign(b"x", 1, NONCE), b"x")


def test_without_a_current_key_nothing_is_signed() -> None:
    assert not Keyring()
    assert not Keyring(previous=["old"]).can_sign
    assert Keyring(previous=["old"])
    with pytest.raises(NoSecretError):
        Keyring(previous=["old"]).sign(b"x", 1, NONCE)


@pytest.mark.parametrize("key", ["", b"", 1])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(MisconfiguredError):
        Keyring(key)
    with pytest.raises(MisconfiguredError):
        Keyring("a", [key])


def test_one_key_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(MisconfiguredError, match="list"):
        Keyring("a", "secret")


def test_keys_are_not_shown() -> None:
    shown = repr(Keyring("top-secret", ["older-secret"]))
    assert "secret" not in shown
    assert key_id(b"top-secret") in shown


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"signature",
        [],
        ["id", 1, NONCE],
        ["id", 1, NONCE, b"d", 1],
        [1, 1, NONCE, b"d"],
        ["id", True, NONCE, b"d"],
        ["id", -1, NONCE, b"d"],
        ["id", 1 << 53, NONCE, b"d"],
        ["id", 1.0, NONCE, b"d"],
        ["id", 1, NONCE + b"x", b"d"],
        ["id", 1, "x" * 16, b"d"],
        ["id", 1, NONCE, "d"],
    ],
    ids=repr,
)
def test_what_is_no_signature_is_an_invalid_one(value: object) -> None:
    with pytest.raises(InvalidSignatureError):
        Signature.read(value)


def nonce(number: int) -> bytes:
    return number.to_bytes(16)


@pytest.mark.parametrize(
    ("age", "passes"), [(0, True), (10_000, True), (-10_000, True), (10_001, False), (-10_001, False)]
)
def test_a_message_passes_within_the_window_either_side(age: int, passes: bool) -> None:
    guard = ReplayGuard(window=10)
    if passes:
        guard.admit(NONCE, 1_000_000 - age, 1_000_000)
    else:
        with pytest.raises(MessageExpiredError):
            guard.admit(NONCE, 1_000_000 - age, 1_000_000)


def test_a_message_passes_once() -> None:
    guard = ReplayGuard(window=10)
    guard.admit(NONCE, 1_000, 1_000)
    for now in (1_000, 5_000, 11_000):
        with pytest.raises(MessageReplayedError):
            guard.admit(NONCE, 1_000, now)
    with pytest.raises(MessageExpiredError):
        guard.admit(NONCE, 1_000, 11_001)


def test_what_is_older_than_the_window_takes_no_memory() -> None:
    guard = ReplayGuard(window=10)
    for number in range(100):
        guard.admit(nonce(number), number * 1_000, number * 1_000)
    assert guard.remembered == 11


def test_at_the_bound_the_window_gets_shorter_and_nothing_passes_twice() -> None:
    guard = ReplayGuard(window=10, limit=3)
    for number in range(5):
        guard.admit(nonce(number), 1_000 + number, 1_010)
    assert guard.remembered == 3
    for number in range(5):
        with pytest.raises(MessageReplayedError if number >= 2 else MessageExpiredError):
            guard.admit(nonce(number), 1_000 + number, 1_010)
    with pytest.raises(MessageExpiredError):
        guard.admit(nonce(99), 1_001, 1_010)
    guard.admit(nonce(99), 1_002, 1_010)


def test_a_clock_that_is_set_back_lets_nothing_in_again() -> None:
    guard = ReplayGuard(window=10)
    guard.admit(nonce(1), 1_000, 1_000)
    guard.admit(nonce(2), 500_000, 500_000)
    with pytest.raises(MessageExpiredError):
        guard.admit(nonce(1), 1_000, 1_000)


@pytest.mark.parametrize(("window", "limit"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_a_guard_needs_a_window_and_room(window: float, limit: int) -> None:
    with pytest.raises(InvalidArgumentError):
        ReplayGuard(window, limit)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60), st.integers(0, 60)), max_size=60),
    st.integers(1, 5),
)
def test_nothing_passes_twice_whatever_the_order_and_the_clock(
    messages: list[tuple[int, int, int]], limit: int
) -> None:
    guard = ReplayGuard(window=0.02, limit=limit)
    passed: set[int] = set()
    sent_at: dict[int, int] = {}
    for number, sent, now in messages:
        sent = sent_at.setdefault(number, sent)
        try:
            guard.admit(nonce(number), sent, now)
        except (MessageExpiredError, MessageReplayedError):
            continue
        finally:
            assert guard.remembered <= limit
        assert number not in passed
        passed.add(number)


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(right: bytes, given: bytes) -> bool:
        compared.append((right, given))
        return True

    monkeypatch.setattr(signing, "hmac", SimpleNamespace(compare_digest=compare, digest=hmac.digest))
    keyring = Keyring("the secret")
    signed = Signature.read(keyring.sign(b"original", 1, b"n" * 16))
    forged = bytes(32)
    keyring.check(signed._replace(digest=forged), b"original")
    assert compared == [(signed.digest, forged)]
