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


SPECIFIED = {
    "events": ("high", "high", ["event_stream", "projection_updates", "aggregate_events"]),
    "system": ("medium", "medium", ["system_status", "configuration_changes", "service_discovery"]),
    "logging": ("very high", "medium", ["logs", "structured_logs", "error_reports"]),
    "health": ("medium", "high", ["subscription_health", "process_health", "circuit_breaker_status"]),
    "metrics": ("very high", "medium", ["subscription_metrics", "performance_metrics", "throughput_stats"]),
    "security": (
        "low to medium",
        "very high",
        ["security_events", "security_events", "threat_detection", "access_violations"],
    ),
    "audit": ("medium", "very high", ["audit_trail", "audit_trail", "compliance_events"]),
    "alerts": ("low", "very high", ["system_alerts", "system_alerts", "incident_alerts"]),
    "diagnostics": ("variable, can be very high", "low", ["diagnostics"] * 3),
    "lifecycle": ("medium", "high", ["process_lifecycle"] * 3),
}
"""Of each instance its volume, its criticality, and the first level of its typical topics."""


@pytest.mark.parametrize(("name", "specified"), SPECIFIED.items())
def test_an_instance_is_as_the_specification_has_it(name: str, specified: tuple[str, str, list[str]]) -> None:
    policy = POLICIES[Instance(name)]
    assert (policy.volume, policy.criticality, [topic.split(":")[0] for topic in policy.topics]) == specified
    assert all(check_topic(topic) and ":" in topic for topic in policy.topics)


def test_each_instance_has_a_policy_of_its_own() -> None:
    assert list(POLICIES) == list(Instance)
    assert len({policy.purpose for policy in POLICIES.values()}) == 10
    for policy in POLICIES.values():
        assert policy.usual_rate >= 100
        assert policy.bound >= 1_000


def test_just_those_that_matter_most_never_drop() -> None:
    never = {instance for instance, policy in POLICIES.items() if policy.overflow is Overflow.NEVER}
    assert never == {Instance.SECURITY, Instance.AUDIT, Instance.ALERTS}
    assert never == {instance for instance, policy in POLICIES.items() if policy.criticality == "very high"}


@pytest.mark.parametrize(("instance", "factor"), [(Instance.METRICS, 1), (Instance.ALERTS, 10)])
def test_only_who_never_drops_has_a_second_bound(instance: Instance, factor: int) -> None:
    assert POLICIES[instance].hard_bound == POLICIES[instance].bound * factor
