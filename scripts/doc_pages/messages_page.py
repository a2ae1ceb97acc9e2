"""The page of system messages: the ten instances and every record, drawn from their declarations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from gater.messages.catalog import all_modules
from gater.messages.field_rules import Handle, Map, Number, Symbol
from gater.messages.origin import self_node
from gater.messages.records import RECORDS, Record
from gater.pubsub.instances import POLICIES, Instance, Overflow, parse_instance

_HEAD: Final = """# System messages

What a node says of itself, and what your own programs may say in the same form. How to hear them: [Listen to the
system](../how-to/listen-to-the-system.md).

## Instances

Pub/sub has ten instances. Each has its own queues, its own counters and its own policy for a listener that is too slow.
A name is short (`health`) or full (`ex_esdb_health`).

By convention, topics are levels parted by `:`, from the general to the particular, with the identifiers of what they
are about, and alike within an instance: `subscription_health:{store}:{name}`.

| Instance | For | Volume | Criticality | Messages a second, usually up to | Waits for one listener | Past it |
|---|---|---|---|---|---|---|
"""

_AFTER: Final = """
Past its bound, a queue of most instances drops its oldest message, and counts that. `security`, `audit` and `alerts`
drop nothing in silence: an alert is given, and at ten times the bound the listener is disconnected with `overloaded`
after it has read what waits. More messages than usual, over ten seconds, are an alert.

## What a node says

| Instance | Topic | What |
|---|---|---|
| `system` | `system_status:{node}` | SystemLifecycle: the node is starting, started, stopping, stopped |
| | `configuration_changes:{what}` | SystemConfig: somebody has done an administrative act |
| `lifecycle` | `process_lifecycle:{node}` | NodeLifecycle: the same, for the cluster |
| | `process_lifecycle:stores` | ProcessLifecycle: a store was started, stopped, crashed, restarted |
| `health` | `node_health` | NodeHealth, every 30 seconds |
| | `process_health:{store}` | ComponentHealth, every 30 seconds and when it changes |
| | `process_health:streams` and `:subscriptions`, `:consistency` | ComponentHealth, every 30 seconds |
| | `process_health:pubsub:{instance}` | ComponentHealth, when an instance had ended |
| | `health_checks:verify:{store}` | HealthCheck: a store was verified |
| | `subscription_health:{store}:{name}` | something happened to a durable subscription |
| | `health_summary:{store}`, `store_health:{store}` | how all of them are doing, every 30 and 60 seconds |
| `metrics` | `throughput_stats:{operation}` | ThroughputMetric, every 30 seconds |
| | `throughput_stats:pubsub:{instance}` | ThroughputMetric, every 30 seconds |
| | `performance_metrics:{operation}` | LatencyMetric, every 30 seconds |
| | `performance_metrics:memory`, `performance_metrics:disk` | ResourceUsage, every 30 seconds |
| | `subscription_metrics:{store}:{name}` | figures of subscriptions |
| | `gater:metrics`, `gater:alerts` | all figures, every 30 seconds; calls in trouble |
| `security` | `security_events:authentication` | AuthEvent: a token was missing or unknown |
| | `security_events:authorization` | AccessViolation: a token did not allow it |
| `audit` | `audit_trail:admin_operations` | AccessLog: who did what, when, from where |
| `alerts` | `system_alerts:warning`, `system_alerts:critical` | SystemAlert |
| `diagnostics` | `diagnostics:performance_trace` | DebugTrace: a slow call |
| | `diagnostics:errors:{operation}` | ErrorAnalysis: a call that failed |
| `logging` | `logs:gater:{level}` | LogEntry: a log line of warning or above |
| | `logging:{component}`, `logging:store:{store}` | the same, and startup and shutdown, as `log_event` |
| `events` | `event_stream:{stream_id}` and the delivery topics of subscriptions | events as they are appended |

It speaks only when somebody listens to the instance.

| Alert | Given when | Severity |
|---|---|---|
| slow call | a call took more than 5 seconds | warning |
| the code of an error | a call failed; refusals such as a conflict are answers and no failures | error |
| store … takes no writes | a disk is full, a file damaged | critical |
| slow write | a batch took more than 10 seconds until it was durable | warning |
| running out of memory, disk, open files | more than 75 % is in use; more than 90 % is critical | warning, critical |
| limit reached | too many connections, calls or streams of one, bytes of requests | warning |
| slow listener | more waits for a listener than its bound, on an instance that drops nothing | warning |
| listener disconnected | ten times as much | error |
| unusual volume | more messages than usual on an instance | warning |
| messages fail | 10 within ten seconds: they could not be published, or a listener's function raised | error |
| instance down | an instance had ended, and was opened again | critical |

The same alert about the same thing is given once in ten seconds.

## Envelope

A message travels as `["secure_message", [key_id, sent, nonce, digest], original]`, or without a key as
`["unsecured_message", original]`. `original` is msgpack of the tag and the fields; `digest` is HMAC-SHA256 over all of
it, with the key that `key_id` names; `sent` is in milliseconds since 1970. Whoever checks a message refuses it with one
of the codes of `MessageError` ([Errors](errors.md)): a wrong signature, a message that was seen before, or one that is
more than five minutes old.

`validate_message(instance, message)` of `gater.messages.catalog` checks and opens one. Each module has a constructor
and a broadcast function for each record: `health.node_health("n1", "degraded", load_avg=1.2)`,
`health.broadcast_node_health("node_health", record)`. Fields that are required are given by position, in the order of
their table; all others by name. Every record also has a `timestamp`: now, unless it is given. A name is 1 to 255
characters. A value that is missing, of another type, or none of those allowed is a `ValidationError` that names the
field.

A message passes once in a process. A second receiver there brings a memory of its own, or meets `message_replayed`:
`validate_message(instance, message, guard=ReplayGuard())`, with `ReplayGuard` of `gater.messages.replay`.

Messages that come as plain maps, from elsewhere, are checked by `gater.messages.requirements` (`validate_as(tag, map)`:
`missing_fields`, `invalid_node_fields`, `invalid_timestamp`) before a record is made of them. `gater.messages.origin`
makes what messages of your own may want: `generate_message_id`, `enrich_metadata`, `cluster_context`.

"""

_ID_DIGITS: Final = 16
_ID: Final = re.compile(rf"([a-z]+_)?[0-9a-f]{{{_ID_DIGITS}}}").fullmatch

_KINDS: Final[tuple[tuple[Any, str], ...]] = (
    (Symbol, "name"),
    (Number, "number"),
    (Handle, "number or text"),
    (Map, "map"),
    (str, "text"),
    (int, "whole number"),
    (float, "number"),
    (bool, "yes or no"),
    (datetime, "time, UTC"),
    (Any, "plain data"),
)


def messages_page() -> str:
    """The page as Markdown."""
    rows = [
        f"| `{instance}` | {policy.purpose} | {policy.volume} | {policy.criticality} | "
        f"{policy.usual_rate:,} | {policy.bound:,} | "
        f"{'drops the oldest' if policy.overflow is Overflow.DROP_OLDEST else 'alert, then disconnected'} |\n"
        for instance, policy in POLICIES.items()
    ]
    events = f"Typical topics of `events`: {_listed(POLICIES[Instance.EVENTS].topics)}.\n"
    return _HEAD + "".join(rows) + "\n" + events + _AFTER + "".join(_module(module) for module in all_modules())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _module(module: Any) -> str:
    name = module.__name__.rsplit(".", 1)[1]
    about = (module.__doc__ or "").split(": the messages")[0].rstrip(".")
    typical = POLICIES[parse_instance(module.INSTANCE)].topics
    parts = [
        f"## `{name}`\n\n{about}. Instance `{module.INSTANCE}`.\n\n"
        f"Common topics of these records: {_listed(module.TOPICS)}. Typical topics of the instance: "
        f"{_listed(typical)}.\n\n"
    ]
    parts += [_record(record) for record in RECORDS.values() if record.__module__ == module.__name__]
    return "".join(parts)


def _record(record: type[Record]) -> str:
    hints = get_type_hints(record, include_extras=True)
    about = (record.__doc__ or "").splitlines()[0]
    head = f"### {record.__name__}\n\n{about} Tag `{record.tag}`.\n\n| Field | Type | Default |\n|---|---|---|\n"
    declared = [each for each in fields(record) if each.name != "timestamp"]
    return head + "".join(_row(each, hints[each.name]) for each in declared) + "\n"


def _row(each: Field[Any], hint: Any) -> str:
    return f"| `{each.name}` | {_type(hint)} | {_default(each)} |\n"


def _type(hint: Any) -> str:
    for known, text in _KINDS:
        if hint == known:
            return text
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in parts if part is not NoneType)
    if origin is Sequence:
        return f"list of {_type(parts[0])}"
    if origin is Mapping:
        return f"map of {_type(parts[1])}"
    return str(hint)


def _default(each: Field[Any]) -> str:
    if not each.init:
        return "follows from the others"
    if each.metadata:
        return "follows from the others, unless given"
    if each.default is not MISSING:
        return "" if each.default is None else f"`{each.default!r}`" if each.default != () else "empty"
    if each.default_factory is MISSING:
        return "required"
    if each.default_factory is dict:
        return "empty"
    known = {"self_node": "this node", "getpid": "this process"}
    return known.get(getattr(each.default_factory, "__name__", "")) or _made(each.default_factory())


def _made(example: Any) -> str:
    """The value for an absent field, from an example of it: an id after a prefix, or the name of this node."""
    if isinstance(example, str) and _ID(example):
        prefix = example[:-_ID_DIGITS]
        return (f"`{prefix}` and " if prefix else "") + f"{_ID_DIGITS} random hexadecimal digits"
    if list(example) == [self_node()]:
        return "this node"
    raise AssertionError(f"no words for a default like {example!r}")
