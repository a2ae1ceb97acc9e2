"""The node, the clock and the ids that records take when none are given, and checks of plain maps."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from gater.messages import health
from gater.messages.origin import (
    Origin,
    cluster_context,
    current_source,
    current_timestamp,
    enrich_metadata,
    generate_message_id,
    get_node,
    get_originating_node,
    get_reporting_node,
    leave,
    self_node,
    use,
    using,
)
from gater.messages.records import RECORDS
from gater.messages.requirements import (
    REQUIRED_FIELDS,
    validate_as,
    validate_common,
    validate_message_fields,
    validate_node_fields,
    validate_timestamp,
)
from gater.model.errors import ValidationError
from tests.unit.messages.promises import HERE, MOMENT


def test_at_first_a_record_names_this_machine_and_its_time() -> None:
    before = datetime.now(UTC).timestamp()
    made = health.node_health("n", "healthy")
    assert before - 0.001 <= made.timestamp.timestamp() <= datetime.now(UTC).timestamp()
    assert self_node()


def test_a_timestamp_is_utc_in_milliseconds() -> None:
    with using(Origin("n", lambda: 1.234_567)):
        assert current_timestamp() == datetime(1970, 1, 1, 0, 0, 1, 234_000, UTC)


def test_the_source_of_the_process_gives_way_to_that_of_the_context() -> None:
    before, source = current_source(), Origin("process")
    use(source)
    try:
        assert self_node() == "process"
        with using(Origin("context")):
            assert self_node() == "context"
        assert self_node() == "process"
    finally:
        leave(source)
    assert current_source() is before


@pytest.mark.parametrize("order", ["first in, first out", "last in, first out"])
def test_who_leaves_leaves_the_others_in_use(order: str) -> None:
    before, first, second = current_source(), Origin("first"), Origin("second")
    use(first)
    use(second)
    assert self_node() == "second"
    if order == "first in, first out":
        leave(first)
        assert self_node() == "second"
        leave(second)
    else:
        leave(second)
        assert self_node() == "first"
        leave(first)
    leave(first)
    assert current_source() is before


def test_the_machine_does_not_leave() -> None:
    machine = current_source()
    leave(machine)
    assert current_source() is machine


async def test_tasks_keep_the_source_they_were_begun_with() -> None:
    async def named() -> str:
        await asyncio.sleep(0)
        return self_node()

    tasks = []
    async with asyncio.TaskGroup() as group:
        for name in ("one", "two"):
            with using(Origin(name)):
                tasks.append(group.create_task(named()))
    assert [task.result() for task in tasks] == ["one", "two"]


@pytest.mark.parametrize(
    ("read", "name"),
    [(get_node, "node"), (get_originating_node, "originating_node"), (get_reporting_node, "reporting_node")],
)
def test_a_node_is_the_one_that_is_named_or_the_local_one(read: Any, name: str) -> None:
    with using(HERE):
        assert read() == read({}) == read({name: None}) == "node-1"
        assert read({name: "other"}) == "other"


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ("ex_esdb@host", "ex_esdb_node"),
        ("gater-2", "gater_node"),
        ("ex_esdb_gater@host", "gater_node"),
        ("n1", "unknown"),
    ],
)
def test_the_cluster_context_tells_the_node_and_those_it_is_linked_to(node: str, kind: str) -> None:
    with using(Origin(node)):
        assert cluster_context(["a", "b"]) == {
            "node_name": node,
            "connected_nodes": ["a", "b"],
            "cluster_size": 3,
            "node_type": kind,
        }
        assert cluster_context()["cluster_size"] == 1


def test_a_message_id_is_prefix_microseconds_and_chance() -> None:
    with using(HERE):
        assert re.fullmatch(r"msg_1700000000250000_[0-9a-f]{16}", generate_message_id())
        assert generate_message_id("alert").startswith("alert_1700000000250000_")
        assert generate_message_id() != generate_message_id()


def test_metadata_is_enriched_and_what_was_given_stays() -> None:
    with using(HERE):
        enriched = enrich_metadata({"node_name": "given", "own": 1}, ["a"])
        assert enriched == {
            "node_name": "given",
            "own": 1,
            "connected_nodes": ["a"],
            "cluster_size": 2,
            "node_type": "unknown",
            "timestamp": MOMENT,
            "message_id": enriched["message_id"],
        }
        assert set(enrich_metadata()) == set(enriched) - {"own"}
        health.node_health("n", "healthy", checks=enrich_metadata())


@pytest.mark.parametrize(
    ("message", "reason", "names"),
    [
        ({}, "missing_fields", ["a", "b"]),
        ({"a": 1, "b": None}, "missing_fields", ["b"]),
        ({"a": 1, "b": False, "node": 3, "reporting_node": ""}, "invalid_node_fields", ["node", "reporting_node"]),
        ({"a": 1, "b": 1, "originating_node": None}, "invalid_node_fields", ["originating_node"]),
        ({"a": 1, "b": 1, "timestamp": "now"}, "invalid_timestamp", ["timestamp"]),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_its_code(message: Any, reason: str, names: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        validate_common(message, ("a", "b"))
    error = caught.value
    assert (error.field, error.reason, error.details["names"]) == (names[0], reason, names)


def test_sound_maps_pass_every_check() -> None:
    message = {"a": 0, "node": "n", "timestamp": MOMENT}
    validate_message_fields(message, ("a",))
    validate_node_fields(message)
    validate_timestamp(message)
    validate_common(message)
    validate_timestamp({})


REQUIRED = {
    "node_health_updated": ["node", "status"],
    "cluster_health_updated": ["status", "healthy_nodes", "total_nodes"],
    "component_health_updated": ["component", "node", "status"],
    "health_check_completed": ["check_name", "node", "result"],
    "system_config_changed": ["component", "changes"],
    "system_lifecycle_event": ["event", "system_name", "version", "node"],
    "feature_toggle_changed": ["feature", "enabled", "changed_by", "node"],
}


@pytest.mark.parametrize(("tag", "names"), REQUIRED.items())
def test_the_fields_that_a_message_must_have_are_named(tag: str, names: list[str]) -> None:
    assert set(REQUIRED_FIELDS) == set(REQUIRED)
    assert set(names) <= set(RECORDS[tag]._rules)
    with pytest.raises(ValidationError) as caught:
        validate_as(tag, {})
    assert caught.value.details["names"] == [*names, "timestamp"]


def test_a_time_that_is_none_is_no_datetime() -> None:
    with pytest.raises(ValidationError) as caught:
        validate_timestamp({"timestamp": 1_795_000_000_000})
    assert caught.value.details["cause"] == "not_datetime"


def test_a_message_without_a_list_of_fields_needs_its_timestamp() -> None:
    validate_as("log_entry", {"timestamp": MOMENT})
    with pytest.raises(ValidationError):
        validate_as("log_entry", {})
