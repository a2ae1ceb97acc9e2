"""Messages of pub/sub as one line for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gater.cli.message_lines import message_line
from gater.messages import audit
from gater.messages.envelope import canonical

CAME = datetime(2026, 1, 31, 12, 0, 0, 5_000, tzinfo=UTC)
MADE = datetime(2026, 1, 31, 11, 59, 59, tzinfo=UTC)


def line(body: Any, topic: str = "some:topic") -> str:
    return message_line(topic, body, CAME, coloured=False)


def test_a_record_is_shown_with_its_time_tag_and_fields() -> None:
    record = audit.access_log("ann b", "store", "orders", "verify", True, duration_ms=5, node="n1", timestamp=MADE)
    said = 'user_id="ann b" resource_type=store resource_id=orders action=verify success=true duration_ms=5 node=n1'
    expected = f"2026-01-31 11:59:59.000  audit_trail:admin_operations  access_log  {said}\n"
    assert line(["unsecured_message", canonical(record)], "audit_trail:admin_operations") == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (["subscription_health", {"store_id": "s", "timestamp": 7}], "subscription_health  store_id=s timestamp=7"),
        (["events", [{"stream_id": "a"}]], 'events  [{"stream_id":"a"}]'),
        ({"total": 12, "by": "me"}, '{"total":12,"by":"me"}'),
        (None, "null"),
        ("text", '"text"'),
        (["tag"], '["tag"]'),
        ([1, 2], "[1,2]"),
        (b"\x00", '"AA=="'),
        (["tag", {"a": "", "b": [], "c": {}, "d": None, "e": 0, "f": False}], "tag  e=0 f=false"),
        (["tag", {"a": "x=y", "b": 'q"', "c": {"d": 1}, 5: 6}], r'tag  a="x=y" b="q\"" c={"d":1} 5=6'),
        (["tag", {}], "tag"),
    ],
)
def test_other_messages_are_shown_as_what_they_are(body: Any, text: str) -> None:
    assert line(body) == f"2026-01-31 12:00:00.005  some:topic  {text}\n"


def test_a_message_cannot_steer_the_terminal() -> None:
    steering = "\x1b[31m\n\x9b"
    shown = message_line(steering, [steering, {steering: steering}], CAME, coloured=False)
    assert shown[:-1].isprintable()
    assert shown.count("\n") == 1


def test_topic_and_tag_are_coloured_at_a_terminal() -> None:
    assert "\x1b[" in message_line("t", ["tag", {"a": 1}], CAME, coloured=True)
