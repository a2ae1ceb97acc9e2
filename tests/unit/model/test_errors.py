"""The tree of errors: fields, codes, messages, and the way through pickle and copies."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from gater.model import errors
from gater.model.errors import (
    ConflictError,
    GaterError,
    InvalidCountError,
    OverloadedError,
    StoreUnavailableError,
    TransientError,
    WrongExpectedVersionError,
)

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GaterError)]
LEAVES = [kind for kind in EVERY if not kind.__subclasses__()]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_can_be_made_without_fields(kind: type[GaterError]) -> None:
    error = kind()
    assert error.details == {}
    assert all(getattr(error, field) is None for field in kind.fields)
    assert error.message == str(error)
    assert not error.message.endswith(".")


def test_every_error_that_is_raised_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in [*LEAVES, errors.NotFoundError]]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickle_and_copy(kind: type[GaterError]) -> None:
    error = kind(*[f"value of {field}" for field in kind.fields], message="a sentence", extra=[1])
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error), error.again()):
        assert type(twin) is kind
        assert twin is not error
        assert (twin.message, twin.details, str(twin)) == (error.message, error.details, str(error))


def test_fields_are_attributes_and_come_by_position_or_name() -> None:
    by_position = WrongExpectedVersionError("order-1", 3, 5)
    by_name = WrongExpectedVersionError(actual=5, stream_id="order-1", expected=3)
    assert by_position.details == by_name.details == {"stream_id": "order-1", "expected": 3, "actual": 5}
    assert (by_position.stream_id, by_position.expected, by_position.actual) == ("order-1", 3, 5)


def test_what_is_no_field_is_no_attribute() -> None:
    with pytest.raises(AttributeError):
        _ = InvalidCountError(0).stream_id


def test_the_text_tells_message_and_fields() -> None:
    assert str(WrongExpectedVersionError("s", 1, 2)) == (
        "The stream is not at the version that was expected (stream_id='s', expected=1, actual=2)"
    )


def test_what_may_pass_is_retryable_and_nothing_else_is() -> None:
    assert {kind for kind in EVERY if kind.retryable} == {TransientError, *TransientError.__subclasses__()}
    assert OverloadedError().retryable
    assert not issubclass(ConflictError, TransientError)


def test_the_tree_drawn_in_the_module_is_the_tree() -> None:
    drawn = [line for line in (errors.__doc__ or "").splitlines() if "Error" in line]
    for line in drawn:
        name = next(word for word in line.replace("├──", " ").replace("└──", " ").replace("│", " ").split())
        kind = getattr(errors, name)
        if not kind.__subclasses__() or name == "NotFoundError":
            assert kind.code in line
    assert len(drawn) == len(EVERY)


def test_raising_one_failure_again_and_again_keeps_its_traceback_short() -> None:
    trouble = StoreUnavailableError("s", "the disk is full")
    for _ in range(50):
        with pytest.raises(StoreUnavailableError) as caught:
            raise trouble.again()
    assert trouble.__traceback__ is None
    assert len(caught.traceback) == 1
