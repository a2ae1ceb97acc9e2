"""The buffers of RPC connections: little of each is free, the rest is counted until the connection ends."""

from __future__ import annotations

from gater.model.memory_budget import Share
from gater.server.intake import FREE_BYTES, Intake, Intakes

CONNECTIONS = 1_000


def test_what_all_connections_hold_for_free_is_little() -> None:
    share = Share("requests", 32 << 20)
    intakes = Intakes(share)
    ended: list[int] = []
    held = 0
    for number in range(CONNECTIONS):
        intake = Intake(intakes, lambda number=number: ended.append(number))  # type: ignore[misc]
        for _ in range(15):
            if intake.add(16 << 10):
                held += 16 << 10
        intake.whole()
    assert held - share.used <= CONNECTIONS * FREE_BYTES <= 64 << 20
    assert share.used <= share.limit
    assert ended, "those that are idle make room"


def test_bytes_are_free_again_when_the_connection_ends() -> None:
    share = Share("requests", 1 << 20)
    intake = Intake(Intakes(share), lambda: None)
    assert intake.add(300 << 10)
    assert share.used >= (300 << 10) - FREE_BYTES
    intake.end()
    assert share.used == 0
