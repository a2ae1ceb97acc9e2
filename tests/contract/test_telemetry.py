"""The figures of a node: the same groups and keys on every way in."""

from __future__ import annotations

from gater import GaterApi, NewEvent

HEALTH = {"healthy", "degraded", "unhealthy", "unknown"}


async def test_figures_have_their_groups_and_count_what_was_called(api: GaterApi, store: str) -> None:
    await api.get_version(store, "s")
    figures = await api.get_metrics()
    assert set(figures) == {
        "api_calls",
        "gateway_workers",
        "cluster_nodes",
        "pubsub_messages",
        "swarm_registrations",
        "system_metrics",
        "issues",
        "last_updated",
    }
    calls = figures["api_calls"]
    assert set(calls) >= {"total", "errors", "avg_duration_us", "current_calls", "by_function"}
    assert calls["by_function"]["get_version"] >= 1
    assert set(figures["gateway_workers"]) == {
        "assignments",
        "releases",
        "unavailable_attempts",
        "active_assignments",
        "by_store",
        "last_assignment",
        "success_rate",
    }
    assert set(figures["cluster_nodes"]) == {
        "connected_count",
        "disconnected_count",
        "total_cluster_size",
        "cluster_events",
    }
    assert set(figures["swarm_registrations"]) == {"successes", "failures", "last_registration"}


async def test_messages_are_counted_by_topic(api: GaterApi, store: str) -> None:
    topic = f"tests:{store}"
    await api.pubsub("events").broadcast(topic, None)
    before = (await api.get_metrics())["pubsub_messages"]
    await api.pubsub("events").broadcast(topic, None)
    after = (await api.get_metrics())["pubsub_messages"]
    assert set(after) == {"sent", "received", "by_topic"}
    assert after["sent"] > before["sent"]


async def test_health_follows_from_three_parts(api: GaterApi) -> None:
    health = await api.get_health()
    parts = {"status", "api_health", "worker_pool_health", "cluster_health"}
    assert set(health) == {*parts, "node", "timestamp"}
    assert {health[part] for part in parts} <= HEALTH
    assert health["cluster_health"] == "healthy"


async def test_the_workers_are_those_of_the_stores(api: GaterApi, store: str) -> None:
    workers = await api.get_worker_pool_status()
    assert set(workers) == {
        "available_workers",
        "workers_by_store",
        "active_assignments",
        "total_assignments",
        "unavailable_attempts",
        "assignment_success_rate",
    }
    assert workers["workers_by_store"][store] == 1
    assert workers["available_workers"] == sum(workers["workers_by_store"].values())


async def test_a_reset_begins_to_count_again(api: GaterApi, store: str) -> None:
    for _ in range(3):
        await api.append_events(store, "s", [NewEvent("T", None)])
    before = await api.get_metrics()
    assert await api.reset_metrics() is None  # type: ignore[func-returns-value]
    after = await api.get_metrics()
    assert after["api_calls"]["total"] < before["api_calls"]["total"]
    assert after["system_metrics"]["uptime_ms"] >= before["system_metrics"]["uptime_ms"]
