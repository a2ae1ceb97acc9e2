"""Every record keeps what `promised_records.txt` says: fields, types, allowed values, defaults, tags."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gater.messages import alerts, diagnostics, health, lifecycle, logs, metrics
from gater.messages.field_rules import rule_of, thawed
from gater.messages.origin import using
from gater.messages.records import RECORDS, Record, record
from gater.model.errors import ValidationError
from tests.unit.messages.promises import (
    EVERY_FIELD,
    HERE,
    MOMENT,
    PROMISES,
    Promise,
    Promised,
    fixed_default,
)

every_promise = pytest.mark.parametrize("promise", PROMISES, ids=str)
every_field = pytest.mark.parametrize(
    ("promise", "field"), EVERY_FIELD, ids=[f"{promise}-{field.name}" for promise, field in EVERY_FIELD]
)


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    with using(HERE):
        yield


def test_exactly_the_promised_records_are_declared() -> None:
    assert {promise.tag for promise in PROMISES} == set(RECORDS)
    assert len(PROMISES) == 36


@every_promise
def test_a_record_has_the_promised_fields_tag_and_instance(promise: Promise) -> None:
    made = promise.build()
    assert set(made.to_dict()) == {each.name for each in promise.fields}
    assert (made.tag, made.instance) == (promise.tag, promise.instance)
    assert RECORDS[promise.tag] is type(made)
    assert re.sub(r"(?<!^)(?=[A-Z])", "_", type(made).__name__).lower() == promise.name


@every_promise
def test_positional_values_are_kept(promise: Promise) -> None:
    values = promise.build().to_dict()
    assert {each.name: values[each.name] for each in promise.positional} == {
        each.name: each.valid for each in promise.positional
    }


@every_field
def test_a_default_is_as_promised(promise: Promise, field: Promised) -> None:
    value = getattr(promise.build(), field.name)
    if field.default is None or field.default == "derived":
        return
    if field.default.startswith("an id"):
        assert re.fullmatch(f"{field.default[6:]}[0-9a-f]{{16}}", value)
        assert value != getattr(promise.build(), field.name)
    elif field.default == "the process":
        assert value == os.getpid()
    else:
        expected = fixed_default(field.default)
        assert value == (tuple(expected) if isinstance(expected, list) else expected)


@every_field
def test_a_valid_value_is_kept(promise: Promise, field: Promised) -> None:
    for value in field.allowed or [field.valid]:
        assert promise.build(**{field.name: value}).to_dict()[field.name] == value


@every_field
def test_a_wrong_value_is_refused_naming_the_field(promise: Promise, field: Promised) -> None:
    for value in field.wrong:
        with pytest.raises(ValidationError) as caught:
            promise.build(**{field.name: value})
        assert caught.value.field == field.name


@every_promise
def test_options_come_by_name_only_and_unknown_ones_are_refused(promise: Promise) -> None:
    with pytest.raises(TypeError):
        promise.constructor(*[each.valid for each in promise.fields], None)
    with pytest.raises(TypeError, match="surprise"):
        promise.build(surprise=1)
    for each in promise.fields:
        if each.default == "computed":
            with pytest.raises(TypeError, match=each.name):
                promise.build(**{each.name: 1.0})


@every_promise
def test_a_record_without_a_positional_value_is_refused(promise: Promise) -> None:
    with pytest.raises(TypeError):
        promise.constructor(*[each.valid for each in promise.positional][:-1])


@every_promise
def test_a_record_is_frozen_and_equal_to_itself_from_plain_data(promise: Promise) -> None:
    made = promise.build(**{each.name: each.valid for each in promise.options})
    assert type(made).from_dict(made.to_dict()) == made
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert twin == made
    for each in promise.fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, each.name, each.valid)


@every_field
def test_plain_data_must_hold_what_could_not_be_told_from_it(promise: Promise, field: Promised) -> None:
    values = promise.build().to_dict()
    del values[field.name]
    kind = RECORDS[promise.tag]
    surroundings = {"now", "the node", "the node in a list", "the process", None}
    follows = (promise.name, field.name) in {
        ("alert_ack", "ack_timestamp"),
        ("error_analysis", "first_seen"),
        ("error_analysis", "last_seen"),
    }
    if not follows and (field.default in surroundings or str(field.default).startswith("an id")):
        with pytest.raises(ValidationError) as caught:
            kind.from_dict(values)
        assert caught.value.field == field.name
    else:
        assert kind.from_dict(values) == kind.from_dict(
            {**values, field.name: getattr(kind.from_dict(values), field.name)}
        )


@every_promise
def test_plain_data_with_other_fields_is_refused(promise: Promise) -> None:
    with pytest.raises(ValidationError) as caught:
        RECORDS[promise.tag].from_dict({**promise.build().to_dict(), "surprise": 1})
    assert caught.value.field == "surprise"


@pytest.mark.parametrize("garbage", [None, 1, "text", b"bytes", [], [("node", "n")]])
def test_what_is_no_map_is_no_record(garbage: Any) -> None:
    with pytest.raises(ValidationError):
        health.NodeHealth.from_dict(garbage)


def test_values_are_copied_and_cannot_be_changed_inside() -> None:
    checks: dict[str, Any] = {"disk": {"free": [1]}}
    made = health.node_health("n", "healthy", checks=checks)
    checks["disk"]["free"].append(2)
    assert made.to_dict()["checks"] == {"disk": {"free": [1]}}
    with pytest.raises(TypeError):
        made.checks["disk"]["free"] = ()  # a proxy takes no items
    made.to_dict()["checks"]["disk"] = None
    assert made.to_dict()["checks"] == {"disk": {"free": [1]}}


def test_whole_numbers_become_floats_where_floats_are_declared() -> None:
    made = health.node_health("n", "healthy", load_avg=2)
    assert type(made.load_avg) is float
    assert type(metrics.performance_metric("m", 2, "ms").value) is int


def test_times_become_utc() -> None:
    there = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    stamp = health.node_health("n", "healthy", timestamp=there).timestamp
    assert stamp == datetime(2024, 1, 1, tzinfo=UTC)
    assert stamp.tzinfo is UTC


def test_a_time_that_utc_has_no_year_for_is_refused() -> None:
    first = datetime.min.replace(tzinfo=timezone(timedelta(hours=2)))
    with pytest.raises(ValidationError):
        health.node_health("n", "healthy", timestamp=first)


def test_plain_data_has_a_bound_of_levels() -> None:
    deep: dict[str, Any] = {}
    for _ in range(15):
        deep = {"in": deep}
    assert health.node_health("n", "healthy", checks=deep).to_dict()["checks"] == deep
    for too_deep in ({"in": deep}, _endless()):
        with pytest.raises(ValidationError, match="levels"):
            health.node_health("n", "healthy", checks=too_deep)


def _endless() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["in"] = loop
    return loop


@pytest.mark.parametrize(
    ("count", "duration_ms", "rate"), [(5, 1_000, 5.0), (1, 250, 4.0), (3, 0, 0.0), (3, -5, 0.0), (0, 10, 0.0)]
)
def test_throughput_is_a_rate_per_second(count: int, duration_ms: int, rate: float) -> None:
    assert metrics.throughput_metric("append", count, duration_ms).rate_per_sec == rate


def test_a_rate_that_does_not_follow_is_refused() -> None:
    values = metrics.throughput_metric("append", 5, 1_000).to_dict()
    with pytest.raises(ValidationError) as caught:
        metrics.ThroughputMetric.from_dict({**values, "rate_per_sec": 6.0})
    assert caught.value.field == "rate_per_sec"
    del values["rate_per_sec"]
    assert metrics.ThroughputMetric.from_dict(values).rate_per_sec == 5.0


@pytest.mark.parametrize(
    ("severity", "ack"), [("info", False), ("warning", False), ("error", True), ("critical", True)]
)
def test_errors_and_what_is_critical_ask_for_an_acknowledgement(severity: Any, ack: bool) -> None:
    assert alerts.system_alert(severity, "data", "t", "d", "s").requires_ack is ack
    assert alerts.system_alert(severity, "data", "t", "d", "s", requires_ack=not ack).requires_ack is not ack


def test_totals_follow_unless_they_are_given() -> None:
    assert logs.log_summary("last_hour", {"info": 3, "error": 4}).total_logs == 7
    assert logs.log_summary("last_hour", {"info": 3}, total_logs=9).total_logs == 9
    assert lifecycle.cluster_membership("node_added", ["a"], ["a", "b"]).total_nodes == 2
    assert lifecycle.cluster_membership("node_added", ["a"], ["a", "b"], total_nodes=5).total_nodes == 5


def test_an_error_was_seen_when_it_was_announced() -> None:
    made = diagnostics.error_analysis("timeout", "late", timestamp=MOMENT)
    assert made.first_seen == made.last_seen == made.timestamp == MOMENT


def test_a_tag_belongs_to_one_record() -> None:
    class Twin(Record):
        """A second record of a tag."""

    with pytest.raises(TypeError, match="two records"):
        record("ex_esdb_health", "node_health_updated")(Twin)
    assert RECORDS["node_health_updated"] is health.NodeHealth


def test_a_field_of_another_type_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="no rule"):
        rule_of(set[int])


def test_thawing_leaves_plain_values_alone() -> None:
    assert thawed(rule_of(Any)("any", {"a": [b"x", MOMENT, None, 1.5]})) == {"a": [b"x", MOMENT, None, 1.5]}
