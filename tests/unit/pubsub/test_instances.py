"""The ten instances: their names, and the table of what each is for and does at its bound."""

from __future__ import annotations

from typing import Any

import pytest

from gater.model.errors import InvalidArgumentError
from gater.pubsub.instances import POLICIES, Instance, Overflow, parse_instance
from gater.pubsub.topics import check_topic

NAMES = ["events", "system", "logging", "health", "metrics", "security", "audit", "alerts", "diagnostics", "lifecycle"]


def test_there_are_ten_instances_in_the_order_of_the_specification() -> None:
    assert [instance.value for instance in Instance] == NAMES
    assert [instance.full_name for instance in Instance] == [f"ex_esdb_{name}" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_is_found_by_each_of_its_names(name: str) -> None:
    instance = Instance(name)
    assert parse_instance(name) is parse_instance(f"ex_esdb_{name}") is parse_instance(instance) is instance


@pytest.mark.parametrize(
    "value", ["", "Health", "ex_esdb_", "ex_esdb_ex_esdb_health", "health ", None, 4, b"health", []]
)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        parse_instance(value)
    assert refusal.value.argument == "instance"


def test_each_instance_has_a_policy_that_says_what_it_is_for() -> None:
    assert list(POLICIES) == list(Instance)
    for policy in POLICIES.values():
        assert policy.purpose
        assert policy.volume
        assert policy.criticality
        assert policy.topics
        assert all(check_topic(topic) and ":" in topic for topic in policy.topics)


def test_just_those_that_matter_most_never_drop() -> None:
    never = {instance for instance, policy in POLICIES.items() if policy.overflow is Overflow.NEVER}
    assert never == {Instance.SECURITY, Instance.AUDIT, Instance.ALERTS}
    assert never == {instance for instance, policy in POLICIES.items() if policy.criticality == "very high"}


@pytest.mark.parametrize(("instance", "factor"), [(Instance.METRICS, 1), (Instance.ALERTS, 10)])
def test_only_who_never_drops_has_a_second_bound(instance: Instance, factor: int) -> None:
    assert POLICIES[instance].hard_bound == POLICIES[instance].bound * factor
