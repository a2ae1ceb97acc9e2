"""`gater consume`: events printed and acknowledged, or given to a command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.places import Place
from tests.integration.cli.runs import PROGRAM

NAME = "billing"


def begin(place: Place, count: int, *settings: str) -> None:
    """A subscription with so many events of a stream each."""
    place.said("subscriptions", "create", place.store, NAME, "--backoff", "0", *settings)
    for number in range(count):
        place.said("append", place.store, f"order-{number}", "OrderPlaced", json.dumps({"number": number}))


def info(place: Place) -> Any:
    return place.said("subscriptions", "show", place.store, NAME, "--json").document


def script(path: Path, code: str) -> str:
    """What runs a piece of Python as a command."""
    path.write_text(code)
    return f"{sys.executable} {path}"


def where(lines: list[Any]) -> list[tuple[int, int]]:
    return [(line["position"], line["attempt"]) for line in lines]


def test_each_event_is_printed_and_acknowledged(place: Place) -> None:
    begin(place, 5)
    first = place.said("consume", place.store, NAME, "-n", "2", "--json").lines
    rest = place.said("consume", place.store, NAME, "-n", "3", "--json", "--prefetch", "1").lines
    assert where(first + rest) == [(position, 1) for position in range(1, 6)]
    assert first[0]["data"] == {"number": 0}
    assert info(place)["lag"] == 0


def test_people_see_a_line_for_each_event(place: Place) -> None:
    begin(place, 1)
    line = place.said("consume", place.store, NAME, "-n", "1").out
    assert line.split()[2:] == ["order-0", "v0", "OrderPlaced", '{"number":', "0}"]
    place.said("append", place.store, "order-0", "OrderPaid", "1")
    place.typed("consume", place.store, NAME, "-n", "1", "--exec", "false")
    line = place.said("consume", place.store, NAME, "-n", "1").out
    assert line.split()[2:] == ["order-0", "v1", "OrderPaid", "attempt", "2", "1"]


def test_a_command_gets_each_event(place: Place, tmp_path: Path) -> None:
    begin(place, 3)
    seen = tmp_path / "seen"
    code = f"""
import json, os, sys
event = json.load(sys.stdin)
names = "STREAM_ID", "EVENT_TYPE", "POSITION", "ATTEMPT"
with open({str(seen)!r}, "a") as file:
    print(json.dumps([event["data"]["number"], *(os.environ["GATER_" + name] for name in names)]), file=file)
"""
    done = place.said("consume", place.store, NAME, "-n", "3", "--exec", script(tmp_path / "work.py", code))
    assert (done.out, done.err) == ("", "")
    lines = [json.loads(line) for line in seen.read_text().splitlines()]
    assert lines == [[number, f"order-{number}", "OrderPlaced", str(number + 1), "1"] for number in range(3)]
    assert info(place)["lag"] == 0


def test_an_event_whose_command_fails_is_tried_again_then_parked(place: Place) -> None:
    begin(place, 1, "--max-retries", "1")
    failed = place.said("consume", place.store, NAME, "-n", "2", "--exec", "sh -c 'exit 7'")
    first, second = failed.err.splitlines()
    assert first == "order-0 v0, attempt 1: exit code 7, to be tried again."
    assert second == "order-0 v0, attempt 2: exit code 7, parked."
    (parked,) = place.said("subscriptions", "parked", place.store, NAME, "--json").document
    assert (parked["attempts"], parked["reason"]) == (2, "failed 2 times: exit code 7")


def test_a_delay_is_kept_before_the_next_try(place: Place) -> None:
    begin(place, 1, "--backoff", "600")
    place.said("consume", place.store, NAME, "-n", "2", "--exec", "false", "--delay", "0.05")
    assert info(place)["lag"] == 1
    place.said("consume", place.store, NAME, "-n", "1", "--exec", "true")


@pytest.mark.parametrize(("action", "parked", "lag"), [("park", 2, 0), ("skip", 0, 0)])
def test_what_becomes_of_a_failure_can_be_said(place: Place, action: str, parked: int, lag: int) -> None:
    begin(place, 2)
    place.said("consume", place.store, NAME, "-n", "2", "--exec", "false", "--on-failure", action, "--json")
    assert (info(place)["parked"], info(place)["lag"]) == (parked, lag)


def test_a_failure_may_end_it(place: Place) -> None:
    begin(place, 3)
    stopped = place.typed("consume", place.store, NAME, "--exec", "false", "--on-failure", "stop")
    assert stopped.code == 1
    assert stopped.err == "order-0 v0, attempt 1: exit code 1, given back.\n"
    lines = place.said("consume", place.store, NAME, "-n", "3", "--json").lines
    assert where(lines) == [(1, 1), (2, 1), (3, 1)]


def test_what_takes_longer_than_the_ack_timeout_is_told(place: Place) -> None:
    begin(place, 1, "--ack-timeout", "0.05")
    slow = place.said("consume", place.store, NAME, "-n", "1", "--exec", "sleep 0.2")
    assert slow.err.startswith("order-0 v0, attempt 1: the command took 0.")
    assert "more than the ack timeout of 0.05 s" in slow.err


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--exec", ""], "--exec"),
        (["--exec", "there-is-no-such-program"], "--exec"),
        (["--exec", "true", "--on-failure", "explode"], "--on-failure"),
        (["--exec", "true", "--on-failure", "park", "--delay", "1"], "--delay"),
        (["--exec", "true", "--delay", "-1"], "--delay"),
        (["--on-failure", "park"], "--exec"),
        (["--delay", "1"], "--exec"),
        (["--prefetch", "0"], "--prefetch"),
        (["--count", "0"], "--count"),
    ],
)
def test_consume_typed_wrongly_is_a_usage_error(place: Place, options: list[str], hint: str) -> None:
    refused = place.typed("consume", place.store, NAME, *options)
    assert (refused.code, refused.out) == (2, "")
    assert hint in refused.err


def test_a_subscription_that_is_not_there_is_an_error(place: Place) -> None:
    refused = place.typed("consume", place.store, "nobody", "--json")
    assert (refused.code, refused.error["code"]) == (1, "subscription_not_found")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_consumer_that_waits(served: Place, number: int) -> None:
    begin(served, 1)
    command = [*PROGRAM, *served.where, "consume", served.store, NAME, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["position"] == 1
        served.said("append", served.store, "s", "t", "1")
        assert json.loads(process.stdout.readline())["position"] == 2
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr.read() == b""
    found = info(served)
    assert (found["lag"], found["acked"], found["consumers"]) == (0, 2, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_command_finish(served: Place, tmp_path: Path, number: int) -> None:
    begin(served, 3)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = [*PROGRAM, *served.where, "consume", served.store, NAME]
    command += ["--exec", f"sh -c 'echo begin; cat {gate}; echo end'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"begin\n"
        process.send_signal(number)
        gate.write_text("work\n")
        assert process.stdout.read() == b"work\nend\n"
        assert process.wait(10) == 0
        assert process.stderr.read() == b""
    found = info(served)
    assert (found["acked"], found["lag"]) == (1, 2)
    assert where(served.said("consume", served.store, NAME, "-n", "2", "--json").lines) == [(2, 1), (3, 1)]


def test_a_second_signal_is_passed_on_to_the_command(served: Place, tmp_path: Path) -> None:
    begin(served, 1)
    code = """
import signal
signals = [signal.SIGINT, signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("begin", flush=True)
signal.sigwait(signals)
print("told", flush=True)
raise SystemExit(4)
"""
    command = [*PROGRAM, *served.where, "consume", served.store, NAME]
    command += ["--exec", script(tmp_path / "work.py", code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"begin\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"told\n"
        assert process.wait(10) == 0
        assert process.stderr.read() == b"order-0 v0, attempt 1: exit code 4, to be tried again.\n"
    assert info(served)["lag"] == 1


def test_a_reader_that_goes_away_leaves_the_rest_for_others(served: Place) -> None:
    begin(served, 0)
    lines = "".join(json.dumps({"event_type": "t", "data": "x" * 1_000}) + "\n" for _ in range(500))
    subprocess.run(
        [*PROGRAM, *served.where, "append", served.store, "s", "-"], input=lines.encode(), check=True, timeout=30
    )
    command = [*PROGRAM, *served.where, "consume", served.store, NAME, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 1
        assert process.stderr.read() == b""
    (rest,) = served.said("consume", served.store, NAME, "-n", "1", "--json").lines
    assert 1 < rest["position"] < 500


def test_a_subscription_that_is_removed_ends_its_consumers(served: Place) -> None:
    begin(served, 1)
    command = [*PROGRAM, *served.where, "consume", served.store, NAME, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        served.said("subscriptions", "remove", served.store, NAME, "--yes")
        assert process.wait(10) == 1
        assert json.loads(process.stderr.read())["error"]["code"] == "subscription_not_found"
