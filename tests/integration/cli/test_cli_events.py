"""`gater append`, `read` and `subscribe`, on a server and on a data folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.integration.cli.places import Place
from tests.integration.cli.runs import PROGRAM, piped


def test_append_says_where_the_events_are(place: Place) -> None:
    first = place.said("append", place.store, "order-1", "OrderPlaced", '{"total": 12}', '{"total": 13}', "--json")
    assert first.document == {
        "stream_id": "order-1",
        "events": 2,
        "version": 1,
        "position": 2,
        "durability": "fsync",
    }
    second = place.said("append", place.store, "order-1", "OrderPaid", "null", "--expected-version", "1")
    assert second.out == "Appended 1 event to order-1: version 2, position 3 (fsync).\n"


def test_append_keeps_metadata_and_event_id(place: Place) -> None:
    event_id = "01a209f1-a079-7422-840a-868c98e5182e"
    for _ in range(2):
        place.said("append", place.store, "s", "t", "1", "--metadata", '{"by": "me"}', "--event-id", event_id)
    (event,) = place.said("read", place.store, "s", "--json").lines
    assert (event["event_id"], event["metadata"], event["data"]) == (event_id, {"by": "me"}, 1)


@pytest.mark.parametrize("expected", ["0", "5", "stream_exists"])
def test_append_refuses_a_wrong_version(place: Place, expected: str) -> None:
    refused = place.typed("append", place.store, "s", "t", "1", "--expected-version", expected, "--json")
    assert refused.code == 1
    assert refused.out == ""
    assert refused.error["code"] == "wrong_expected_version"
    assert refused.error["details"]["actual"] == -1


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["t"], "DATA"),
        (["t", "nonsense"], "not JSON"),
        (["t", "{"], "not JSON"),
        (["t", "\udcff"], "not JSON"),
        (["t", "[" * 50_000], "not JSON"),
        (["t", "1", "--metadata", "[1]"], "--metadata"),
        (["t", "1", "2", "--event-id", "01a209f1-a079-7422-840a-868c98e5182e"], "--event-id"),
        (["-", "1"], "stdin"),
    ],
)
def test_append_typed_wrongly_is_a_usage_error(place: Place, arguments: list[str], hint: str) -> None:
    refused = place.typed("append", place.store, "s", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert hint in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere", "s", "t", "1"], "store_not_found"),
        (["no store", "s", "t", "1"], "invalid_argument"),
        (["STORE", "", "t", "1"], "invalid_argument"),
        (["STORE", "$all", "t", "1"], "invalid_argument"),
        (["STORE", "s", "", "1"], "invalid_argument"),
        (["STORE", "s", "t\x01", "1"], "invalid_argument"),
        (["STORE", "s", "t", "1", "--event-id", "x"], "invalid_argument"),
        (["STORE", "s", "t", "1", "--expected-version", "sometimes"], "invalid_argument"),
        (["STORE", "s", "t", "1", "--expected-version", "-7"], "invalid_argument"),
    ],
)
def test_what_cannot_be_appended_fails_with_its_code(place: Place, arguments: list[str], code: str) -> None:
    named = [place.store if argument == "STORE" else argument for argument in arguments]
    failed = place.typed("append", *named)
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith(f"{code}: ")
    assert failed.err.count("\n") == 1


def test_append_reads_lines_from_stdin(served: Place) -> None:
    lines = b"".join(b'{"event_type": "t", "data": {"number": %d}}\n' % number for number in range(1_234))
    lines += b'\n{"event_type": "image", "data_base64": "AAEC", "metadata": {"by": "me"}}'
    done = piped(*served.where, "append", served.store, "s", "-", "--expected-version", "no_stream", stdin=lines)
    assert done.code == 0, done.err
    assert done.out.startswith("Appended 1,235 events to s: version 1234,")
    events = served.said("read", served.store, "s", "--all", "--json").lines
    assert [event["data"]["number"] for event in events[:-1]] == list(range(1_234))
    assert (events[-1]["content_type"], events[-1]["metadata"]) == ("application/octet-stream", {"by": "me"})


def test_a_bad_line_of_stdin_is_named_and_what_came_before_it_said(served: Place) -> None:
    lines = b'{"event_type": "t"}\n' * 600 + b'{"event_type": 1}\n'
    failed = piped(*served.where, "append", served.store, "s", "-", stdin=lines)
    assert failed.code == 1
    assert (
        failed.err
        == "Stopped after 500 events.\nvalidation_error: line 601: Expected `str`, got `int` - at `$.event_type`\n"
    )
    assert served.said("streams", "version", served.store, "s").out == "499\n"


def test_empty_stdin_appends_nothing(served: Place) -> None:
    done = piped(*served.where, "append", served.store, "s", "-", "--json")
    assert json.loads(done.out)["events"] == 0


def test_read_begins_where_told_and_includes_it(place: Place) -> None:
    place.said("append", place.store, "a", "t", *map(str, range(5)))
    place.said("append", place.store, "b", "t", *map(str, range(5)))

    def read(*options: str) -> list[tuple[str, int]]:
        events = place.said("read", place.store, "--json", *options).lines
        return [(event["stream_id"], event["version"]) for event in events]

    assert read("a", "--from", "3") == [("a", 3), ("a", 4)]
    assert read("a", "--from", "3", "--backward", "--count", "2") == [("a", 3), ("a", 2)]
    assert read("a", "--backward", "-n", "1") == [("a", 4)]
    assert read("--from", "5", "--count", "2") == [("a", 4), ("b", 0)]
    assert read("--from", "5", "--backward", "--count", "2") == [("a", 4), ("a", 3)]
    assert read("$all", "--backward", "--count", "1") == [("b", 4)]
    assert len(read("--all")) == 10
    assert read("nobody") == []


def test_read_shows_columns(place: Place) -> None:
    place.said("append", place.store, "order-1", "OrderPlaced", '{"total": 12}')
    heading, row = place.said("read", place.store).out.splitlines()
    assert heading.split() == ["POSITION", "STREAM", "VERSION", "TYPE", "CREATED", "(UTC)", "DATA"]
    assert row.split()[:4] == ["1", "order-1", "0", "OrderPlaced"]
    assert row.endswith('{"total": 12}')
    heading, row = place.said("read", place.store, "order-1").out.splitlines()
    assert heading.split() == ["VERSION", "TYPE", "CREATED", "(UTC)", "DATA"]


def test_reading_nothing_says_so_beside_the_output(place: Place) -> None:
    nothing = place.said("read", place.store)
    assert (nothing.out, nothing.err) == ("", "No events.\n")
    assert place.said("read", place.store, "--json").err == ""


def test_read_begins_at_the_first_event_that_is_there_and_says_when_more_follow(served: Place) -> None:
    piped(*served.where, "append", served.store, "s", "-", stdin=b'{"event_type": "t"}\n' * 201)
    served.said("streams", "truncate", served.store, "s", "100")
    cut = served.said("read", served.store, "s", "--json")
    assert [event["version"] for event in cut.lines] == list(range(100, 200))
    assert cut.err == "These are the first 100; more follow (--all, --count N, --from N).\n"
    for options in (["--from", "101"], ["--all"], ["--count", "10"], ["--from", "199", "--backward"]):
        assert served.said("read", served.store, "s", *options).err == ""


@pytest.mark.parametrize(
    "options", [["--count", "0"], ["--from", "-1"], ["--from", "x"], ["--count", "-5"], ["--all", "-n", "1"]]
)
def test_read_typed_wrongly_is_a_usage_error(place: Place, options: list[str]) -> None:
    assert place.typed("read", place.store, "s", *options).code == 2


def test_only_what_a_selector_chooses_is_read(place: Place) -> None:
    place.said("append", place.store, "order-1", "Placed", '{"operator": "John"}', '{"operator": "Pat"}')
    place.said("append", place.store, "order-2", "Placed", '{"operator": "John"}')
    place.said("append", place.store, "order-1", "Paid", '{"operator": "John"}')
    place.said("append", place.store, "user-1", "Joined", "{}")

    def read(*options: str) -> list[int]:
        return [event["position"] for event in place.said("read", place.store, "--json", *options).lines]

    assert read("--type", "Placed") == [1, 2, 3]
    assert read("--type", "Paid", "--type", "Joined") == [4, 5]
    assert read("--where", '{"operator": "John"}', "--backward") == [4, 3, 1]
    assert read("--where", '{"operator": "John"}', "--from", "3", "-n", "1") == [3]
    assert read("--pattern", '{"version": 0}', "--prefix", "order-") == [1, 3]
    assert read("--selector", '{"any_of": [{"by_stream": "user-1"}, {"by_event_type": "Paid"}]}') == [4, 5]
    assert read("--type", "Nothing") == []
    assert read("order-1", "--where", '{"operator": "John"}') == [1, 4]
    assert read("order-1", "--where", '{"operator": "John"}', "--from", "1") == [4]
    assert read("order-1", "--where", '{"operator": "John"}', "--from", "1", "--backward") == [1]
    assert read("order-1", "--type", "Placed", "--from", "9") == []
    assert read("order-1", "--type", "Joined") == []


def test_only_what_a_selector_chooses_is_followed(place: Place) -> None:
    place.said("append", place.store, "a", "T", "0", "1", "2")
    place.said("append", place.store, "b", "U", "0", "1", "2")
    place.said("append", place.store, "a", "U", "3")

    def followed(*options: str) -> list[int]:
        return [event["position"] for event in place.said("subscribe", place.store, "--json", *options).lines]

    assert followed("--type", "U", "-n", "4") == [4, 5, 6, 7]
    assert followed("--type", "U", "--from", "6", "-n", "2") == [6, 7]
    assert followed("a", "--type", "T", "--from", "1", "-n", "2") == [2, 3]


@pytest.mark.parametrize("command", ["read", "subscribe", "export"])
def test_a_selector_typed_wrongly_is_a_usage_error(place: Place, command: str) -> None:
    refused = place.typed(command, place.store, "--pattern", '{"nope": 1}')
    assert (refused.code, refused.out) == (2, "")
    assert "--pattern" in refused.err


def test_control_characters_of_stored_data_do_not_reach_the_terminal(place: Place) -> None:
    place.said("append", place.store, "s", "t", json.dumps("\x9b31m", ensure_ascii=False))
    assert "\\x9b31m" in place.said("read", place.store).out


def test_subscribe_ends_after_the_count_it_was_given(place: Place) -> None:
    place.said("append", place.store, "s", "t", "0", "1", "2")
    events = place.said("subscribe", place.store, "s", "--from", "1", "--count", "2", "--json").lines
    assert [event["version"] for event in events] == [1, 2]
    line = place.said("subscribe", place.store, "-n", "1").out
    assert line.split()[2:] == ["s", "v0", "t", "0"]


@pytest.mark.parametrize("begin", ["-1", "now", "1.5", ""])
def test_subscribe_begins_at_a_number_or_live(place: Place, begin: str) -> None:
    assert place.typed("subscribe", place.store, "--from", begin).code == 2


def test_subscribe_follows_what_is_appended_until_ctrl_c(served: Place) -> None:
    command = [*PROGRAM, *served.where, "subscribe", served.store, "s", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for number in range(3):
            served.said("append", served.store, "s", "t", str(number))
            assert json.loads(process.stdout.readline())["data"] == number
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


def test_a_subscriber_at_a_terminal_is_told_when_it_has_caught_up(served: Place) -> None:
    served.said("append", served.store, "s", "t", "1")
    terminal, end = os.openpty()
    command = [*PROGRAM, *served.where, "subscribe", served.store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end) as process:
        os.close(end)
        assert process.stdout is not None
        with os.fdopen(terminal, "rb", buffering=0) as screen:
            assert screen.read(16).startswith(b"Caught up")
            assert process.stdout.readline().endswith(b"t  1\n")
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0


@pytest.mark.parametrize("command", [["read", "--all"], ["read", "--all", "--json"], ["export"], ["subscribe"]])
def test_a_reader_that_goes_away_ends_the_command_quietly(served: Place, command: list[str]) -> None:
    lines = b'{"event_type": "t", "data": "%s"}\n' % (b"x" * 1_000) * 1_000
    assert piped(*served.where, "append", served.store, "s", "-", stdin=lines).code == 0
    typed = [*PROGRAM, *served.where, command[0], served.store, *command[1:]]
    with subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 1
        assert process.stderr.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_output_that_cannot_be_written_is_a_failure(served: Place, options: list[str]) -> None:
    served.said("append", served.store, "s", "t", "1")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, *served.where, "read", served.store, *options], stdout=full, stderr=subprocess.PIPE, timeout=30
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
