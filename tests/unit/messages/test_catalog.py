"""The nine modules and the instances they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gater import messages
from gater.messages import health
from gater.messages.broadcast import Messenger
from gater.messages.catalog import (
    all_modules,
    instance_to_module_map,
    module_for_instance,
    supported_instances,
    validate_message,
)
from gater.messages.envelope import Envelope
from gater.messages.origin import using
from gater.messages.records import RECORDS
from gater.messages.replay import ReplayGuard
from gater.model.errors import InvalidFormatError, UnknownInstanceError

NINE = ("system", "health", "metrics", "lifecycle", "security", "audit", "alerts", "diagnostics", "logging")

sent: list[Envelope] = []


@pytest.fixture(autouse=True)
def messenger() -> Iterator[None]:
    sent.clear()
    with using(Messenger(lambda instance, topic, body: sent.append(body))):
        yield


def test_there_are_nine_modules_and_nine_instances_without_events() -> None:
    assert len(all_modules()) == len(set(all_modules())) == 9
    assert supported_instances() == tuple(f"ex_esdb_{name}" for name in NINE)
    assert instance_to_module_map() == dict(zip(supported_instances(), all_modules(), strict=True))
    assert {messages.module_for_instance(f"ex_esdb_{name}") for name in NINE} == set(all_modules())


@pytest.mark.parametrize(
    ("name", "topics"),
    {
        "system": ("config", "lifecycle", "features"),
        "health": ("node_health", "cluster_health", "component_health", "health_checks"),
        "metrics": ("performance", "throughput", "latency", "resource_usage"),
        "lifecycle": ("node_lifecycle", "process_lifecycle", "supervision", "cluster_membership"),
        "security": ("auth_events", "access_violations", "security_alerts", "session_events"),
        "audit": ("data_changes", "admin_actions", "access_logs", "compliance"),
        "alerts": ("critical", "warnings", "notifications", "escalations"),
        "diagnostics": ("debug_traces", "performance_analysis", "system_state", "error_analysis"),
        "logging": ("application_logs", "system_logs", "error_logs", "audit_logs"),
    }.items(),
)
def test_the_usual_topics_are_those_of_the_specification(name: str, topics: tuple[str, ...]) -> None:
    module = module_for_instance(f"ex_esdb_{name}")
    assert module is not None
    assert topics == module.TOPICS


def test_a_module_belongs_to_its_instance() -> None:
    for instance, module in instance_to_module_map().items():
        assert instance == module.INSTANCE
        assert module_for_instance(instance) is module
        own = [kind for kind in RECORDS.values() if kind.instance == instance]
        assert all(kind.__module__ == module.__name__ for kind in own)
    assert module_for_instance("ex_esdb_health") is health


@pytest.mark.parametrize("instance", ["ex_esdb_events", "health", "", None, 1, [], {}])
def test_other_instances_have_no_module_and_no_messages(instance: Any) -> None:
    assert module_for_instance(instance) is None
    with pytest.raises(UnknownInstanceError) as caught:
        validate_message(instance, ["unsecured_message", b""])
    assert caught.value.instance == instance


def test_a_message_is_validated_by_the_module_of_its_instance() -> None:
    record = health.node_health("n", "healthy")
    health.broadcast_node_health("topic", record)
    assert validate_message("ex_esdb_health", sent[0]) == record
    assert validate_message("ex_esdb_health", sent[0], guard=ReplayGuard()) == record
    with pytest.raises(InvalidFormatError):
        validate_message("ex_esdb_audit", sent[0])


def test_the_package_offers_the_modules_and_what_finds_them() -> None:
    for module in messages.all_modules():
        assert getattr(messages, module.__name__.rsplit(".", 1)[1]) is module
    assert messages.module_for_instance("ex_esdb_health") is messages.health
    assert set(messages.__all__) <= set(vars(messages))
