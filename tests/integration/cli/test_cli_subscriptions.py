"""`gater subscriptions`: what is made, shown, moved and removed, and what is parked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.cli.places import Place
from tests.integration.cli.runs import piped

FAIL = ("--exec", "sh -c 'exit 3'", "--on-failure", "park")


def append(place: Place, stream: str = "order-1", count: int = 3) -> None:
    place.said("append", place.store, stream, "OrderPlaced", *map(str, range(count)))


def create(place: Place, *options: str, name: str = "billing") -> Any:
    return place.said("subscriptions", "create", place.store, name, *options, "--json").document


def show(place: Place, name: str = "billing") -> Any:
    return place.said("subscriptions", "show", place.store, name, "--json").document


def test_a_subscription_is_made_with_a_selector_and_settings(place: Place) -> None:
    settings = ["--ack-timeout", "5", "--max-retries", "2", "--backoff", "1,5.5", "--max-in-flight", "7"]
    more = ["--ordering", "none", "--after-park", "continue", "--max-consumers", "3"]
    checkpoints = ["--checkpoint-every", "10", "--checkpoint-interval", "0.5"]
    made = create(place, "--type", "OrderPlaced", "--prefix", "order-", *settings, *more, *checkpoints)
    assert made["selector"] == {"all_of": [{"by_event_type": "OrderPlaced"}, {"stream_prefix": "order-"}]}
    assert made["start_from"] == 0
    assert made["settings"] == {
        "ack_timeout": 5.0,
        "max_retries": 2,
        "backoff": [1.0, 5.5],
        "max_in_flight": 7,
        "ordering": "none",
        "after_park": "continue",
        "max_consumers": 3,
        "checkpoint_every": 10,
        "checkpoint_interval": 0.5,
    }
    assert show(place)["settings"] == made["settings"]
    told = place.said("subscriptions", "create", place.store, "all").out
    assert told == "Created the subscription all: $all.\n"


def test_making_it_again_changes_only_what_is_said(place: Place) -> None:
    create(place, "--stream", "order-1", "--from", "1", "--max-retries", "2")
    changed = create(place, "--ack-timeout", "5")
    assert (changed["selector"], changed["start_from"]) == ({"by_stream": "$order-1"}, 1)
    assert (changed["settings"]["max_retries"], changed["settings"]["ack_timeout"]) == (2, 5.0)
    told = place.said("subscriptions", "create", place.store, "billing", "--stream", "order-1").out
    assert told == "Changed the subscription billing: by_stream order-1.\n"
    taken = place.typed("subscriptions", "create", place.store, "billing", "--type", "T")
    assert taken.err.startswith("already_exists: ")


def test_it_may_begin_with_what_is_new(place: Place) -> None:
    append(place)
    assert create(place, "--from", "live")["start_from"] == -1
    assert show(place)["lag"] == 0
    assert "start_from           live" in place.said("subscriptions", "show", place.store, "billing").out
    assert create(place, "--from", "2")["start_from"] == 2
    assert show(place)["lag"] == 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--from", "now"], 2),
        (["--backoff", "soon"], 2),
        (["--where", "x"], 2),
        (["--max-retries", "x"], 2),
        (["--max-retries", "-1"], 1),
        (["--ordering", "maybe"], 1),
        (["--ack-timeout", "0"], 1),
    ],
)
def test_what_is_typed_wrongly_is_refused(place: Place, options: list[str], code: int) -> None:
    assert place.typed("subscriptions", "create", place.store, "billing", *options).code == code
    assert place.said("subscriptions", "list", place.store, "--json").document == []


def test_a_transient_one_cannot_be_made(place: Place) -> None:
    refused = place.typed("subscriptions", "create", place.store, "transient")
    assert refused.code == 1
    assert refused.err.startswith("invalid_argument: name: ")


def test_they_are_listed_with_how_they_are_doing(place: Place) -> None:
    nothing = place.said("subscriptions", "list", place.store)
    assert nothing.out == ""
    assert "gater subscriptions create" in nothing.err
    append(place)
    create(place, "--where", '{"operator": "%s"}' % ("x" * 100), name="a")
    create(place, "--prefix", "order-", name="b")
    heading, first, second = place.said("subscriptions", "list", place.store).out.splitlines()
    assert heading.split() == ["NAME", "SELECTOR", "STATE", "LAG", "AGE", "IN", "FLIGHT", "PARKED", "CONSUMERS"]
    assert first.split()[0] == "a"
    assert "xxx… " in first
    assert second.split()[:5] == ["b", "stream_prefix", "order-", "stranded", "3"]
    listed = place.said("subscriptions", "list", place.store, "--json").document
    assert [each["name"] for each in listed] == ["a", "b"]
    assert listed[1] == {**show(place, "b"), "lag_seconds": listed[1]["lag_seconds"]}


def test_one_is_shown_fact_by_fact(place: Place) -> None:
    append(place)
    create(place, "--type", "OrderPlaced")
    facts = dict(
        line.split(maxsplit=1) for line in place.said("subscriptions", "show", place.store, "billing").out.splitlines()
    )
    assert (facts["name"], facts["selector"]) == ("billing", "by_event_type OrderPlaced")
    assert (facts["state"], facts["lag"], facts["max_retries"]) == ("stranded", "3", "10")
    assert facts["backoff"] == "0.1, 1.0, 5.0, 30.0"
    assert facts["created"].endswith(" UTC")
    assert "reason" not in facts


def test_one_that_is_not_there_is_not_found(place: Place) -> None:
    for command in (["show"], ["remove", "--yes"], ["parked"], ["replay", "--all"], ["rewind", "--to", "1"]):
        refused = place.typed("subscriptions", command[0], place.store, "nobody", *command[1:])
        assert refused.code == 1
        assert refused.err.startswith("subscription_not_found: ")


def test_one_is_removed_when_somebody_says_yes(served: Place) -> None:
    create(served)
    refused = piped(*served.where, "subscriptions", "remove", served.store, "billing")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert show(served)["name"] == "billing"
    removed = served.said("subscriptions", "remove", served.store, "billing", "--yes")
    assert removed.out == "Removed the subscription billing.\n"
    assert served.said("subscriptions", "list", served.store, "--json").document == []


def test_one_begins_again_where_it_is_told(place: Place) -> None:
    append(place, count=5)
    create(place)
    place.said("consume", place.store, "billing", "-n", "5")

    def rewind(*options: str) -> Any:
        return place.said("subscriptions", "rewind", place.store, "billing", *options, "--json").document["position"]

    assert rewind("--to", "4") == 4
    again = place.said("consume", place.store, "billing", "-n", "2", "--json").lines
    assert [event["position"] for event in again] == [4, 5]
    assert rewind("--time", "2000-01-01T00:00:00Z") == rewind("--time", "2000-01-01") == 1
    assert rewind("--time", "2999-01-01T00:00:00+02:00") == 6
    told = place.said("subscriptions", "rewind", place.store, "billing", "--to", "0").out
    assert told == "billing goes on at position 1.\n"


@pytest.mark.parametrize("options", [[], ["--to", "1", "--time", "2000-01-01"], ["--to", "-1"], ["--time", "soon"]])
def test_beginning_again_needs_one_place(place: Place, options: list[str]) -> None:
    create(place)
    assert place.typed("subscriptions", "rewind", place.store, "billing", *options).code == 2


def test_parked_events_are_listed(place: Place) -> None:
    create(place)
    assert place.said("subscriptions", "parked", place.store, "billing").err == "Nothing is parked.\n"
    append(place)
    place.said("consume", place.store, "billing", "-n", "3", *FAIL)
    heading, *rows = place.said("subscriptions", "parked", place.store, "billing").out.splitlines()
    assert heading.split() == ["POSITION", "STREAM", "TYPE", "ATTEMPTS", "PARKED", "(UTC)", "REASON"]
    assert [row.split()[:4] for row in rows] == [[str(number), "order-1", "OrderPlaced", "1"] for number in (1, 2, 3)]
    assert rows[0].rstrip().endswith("exit code 3")
    (first,) = place.said("subscriptions", "parked", place.store, "billing", "--limit", "1", "--json").document
    assert (first["position"], first["reason"], first["event"]["data"]) == (1, "exit code 3", 0)


def test_parked_events_of_a_deleted_stream_are_told(place: Place) -> None:
    create(place)
    append(place, count=1)
    place.said("consume", place.store, "billing", "-n", "1", *FAIL)
    place.said("streams", "delete", place.store, "order-1")
    assert "(deleted)" in place.said("subscriptions", "parked", place.store, "billing").out


def test_parked_events_are_delivered_again(place: Place) -> None:
    create(place)
    append(place)
    place.said("consume", place.store, "billing", "-n", "3", *FAIL)

    def consumed(count: int) -> list[int]:
        lines = place.said("consume", place.store, "billing", "-n", str(count), "--json").lines
        return [event["position"] for event in lines]

    told = place.said("subscriptions", "replay", place.store, "billing", "2").out
    assert told == "billing delivers 1 parked event again.\n"
    assert "(being delivered again)" in place.said("subscriptions", "parked", place.store, "billing").out
    assert consumed(1) == [2]
    again = place.said("subscriptions", "replay", place.store, "billing", "--all", "--json").document
    assert again["replayed"] == 2
    assert consumed(2) == [1, 3]
    assert place.said("subscriptions", "parked", place.store, "billing", "--json").document == []
    missing = place.typed("subscriptions", "replay", place.store, "billing", "2")
    assert missing.err.startswith("not_found: ")


def test_parked_events_are_forgotten_when_it_is_meant(served: Place) -> None:
    create(served)
    append(served)
    served.said("consume", served.store, "billing", "-n", "3", *FAIL)
    for wrong in ([], ["1", "--all"]):
        for command in ("replay", "discard"):
            assert served.typed("subscriptions", command, served.store, "billing", *wrong).code == 2
    told = served.said("subscriptions", "discard", served.store, "billing", "1").out
    assert told == "Discarded 1 parked event of billing.\n"
    refused = piped(*served.where, "subscriptions", "discard", served.store, "billing", "--all")
    assert refused.code == 2
    assert "Forget 2 parked events of billing?" in " ".join(refused.err.replace("│", "").split())
    gone = served.said("subscriptions", "discard", served.store, "billing", "--all", "--yes", "--json").document
    assert gone["discarded"] == 2
