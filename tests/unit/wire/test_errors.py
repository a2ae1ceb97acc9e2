"""The table of failures is complete, and errors survive the journey."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model import errors
from gater.model.errors import GaterError, InvalidStartVersionError, WrongExpectedVersionError
from gater.wire.errors import ERRORS, HTTP_STATUS, error_body, from_wire, http_status, to_wire


def _leaves(error: type[GaterError]) -> list[type[GaterError]]:
    below = error.__subclasses__()
    return [leaf for sub in below for leaf in _leaves(sub)] if below else [error]


LEAVES = [leaf for leaf in _leaves(GaterError) if leaf.__module__ == errors.__name__]


def _travelled(error: GaterError) -> GaterError:
    code, message, details = msgspec.msgpack.decode(msgspec.msgpack.encode(to_wire(error)))
    return from_wire(code, message, details)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_leaf_of_the_tree_is_in_the_table(leaf: type[GaterError]) -> None:
    assert leaf in HTTP_STATUS


def test_every_code_stands_for_one_class() -> None:
    assert len(ERRORS) == len(HTTP_STATUS)


@pytest.mark.parametrize("known", HTTP_STATUS, ids=lambda known: known.__name__)
def test_error_arrives_with_same_class_code_fields_and_message(known: type[GaterError]) -> None:
    sent = known(*[f"{field}-value" for field in known.fields], message="What happened")
    received = _travelled(sent)
    assert type(received) is known
    assert (received.code, received.message, received.details) == (sent.code, sent.message, sent.details)
    assert [getattr(received, field) for field in known.fields] == [getattr(sent, field) for field in known.fields]


def test_branch_of_the_tree_arrives_as_the_leaf_of_its_code() -> None:
    assert type(_travelled(errors.InvalidRequestError(message="no"))) is errors.InvalidArgumentError


def test_unknown_code_arrives_as_gater_error_with_that_code() -> None:
    error = from_wire("from_the_future", "New", {"when": 1})
    assert type(error) is GaterError
    assert (error.code, error.message, error.details) == ("from_the_future", "New", {"when": 1})
    assert to_wire(error) == ("from_the_future", "New", {"when": 1})
    assert http_status(error) == 500


@pytest.mark.parametrize("name", ["message", "self", "code", "values", "a b"])
def test_details_of_any_name_arrive(name: str) -> None:
    assert from_wire("timeout", "Late", {name: 1}).details == {name: 1}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.sets(st.integers()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    )
)
def test_any_detail_can_be_encoded(value: Any) -> None:
    error = InvalidStartVersionError(value, message="\ud800")
    assert from_wire(*msgspec.msgpack.decode(msgspec.msgpack.encode(to_wire(error)))).code == error.code
    msgspec.json.encode(error_body(error))


def test_huge_number_in_details_can_be_encoded() -> None:
    assert _travelled(InvalidStartVersionError(10**10_000, message="no")).details["value"].startswith("0x")


def test_body_shows_code_message_and_details() -> None:
    assert error_body(WrongExpectedVersionError("s", 1, 2)) == {
        "error": {
            "code": "wrong_expected_version",
            "message": "The stream is not at the version that was expected",
            "details": {"stream_id": "s", "expected": 1, "actual": 2},
        }
    }
