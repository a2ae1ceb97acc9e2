"""`gater pubsub` on a server."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gater.pubsub.instances import Instance
from tests.integration.cli.places import Place
from tests.integration.cli.runs import PROGRAM, piped


@pytest.fixture
def topic(served: Place) -> str:
    """A topic of the test's own."""
    return f"tests:{served.store}"


@contextmanager
def listening(served: Place, *arguments: str, instance: str = "events") -> Iterator[subprocess.Popen[bytes]]:
    """`gater pubsub listen`, once it listens; the only one on its instance."""
    while listeners(served, instance):
        pass  # the one of the test before is about to leave
    command = [*PROGRAM, *served.where, "pubsub", "listen", instance, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not listeners(served, instance):
            pass
        yield process


def listeners(served: Place, instance: str) -> int:
    """How many listen to an instance."""
    found = served.said("pubsub", "instances", "--json").document
    return next(int(each["subscribers"]) for each in found if each["name"] == instance)


def output_of(process: subprocess.Popen[bytes]) -> list[str]:
    """What a process that ends by itself, and well, has printed."""
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")
    return out.decode().splitlines()


def test_what_is_sent_is_printed(served: Place, topic: str) -> None:
    with listening(served, topic, "--count", "2") as process:
        sent = served.said("pubsub", "send", "events", topic, '["greeting", {"hello": "world"}]')
        assert sent.out == "Given to 1 listener.\n"
        served.said("pubsub", "send", "ex_esdb_events", topic, "null")
        first, second = output_of(process)
    assert first.endswith(f"  {topic}  greeting  hello=world")
    assert second.endswith(f"  {topic}  null")


def test_messages_are_printed_as_json_lines(served: Place, topic: str) -> None:
    with listening(served, f"{topic}*", "-n", "1", "--json") as process:
        sent = served.said("pubsub", "send", "events", f"{topic}:x", '{"a": [1, "ö"]}', "--json")
        assert sent.document == {"receivers": 1}
        (line,) = output_of(process)
    assert json.loads(line) == {"topic": f"{topic}:x", "instance": "events", "message": {"a": [1, "ö"]}}


def test_an_administrative_act_is_printed_with_its_fields(served: Place) -> None:
    with listening(served, "-n", "1", instance="audit") as process:
        served.said("verify", served.store)
        (line,) = output_of(process)
    assert "  audit_trail:admin_operations  access_log  user_id=anonymous " in line
    assert f" resource_id={served.store} action=verify success=true " in line
    assert " source_ip=127.0.0.1 " in line


def test_an_appended_event_is_printed(served: Place) -> None:
    with listening(served, f"{served.store}:$all", "-n", "1", "--json") as process:
        served.said("append", served.store, "s", "t", "7")
        (line,) = output_of(process)
    tag, (event,) = json.loads(line)["message"]
    assert (tag, event["stream_id"], event["data"]) == ("events", "s", 7)


def test_listening_goes_on_until_ctrl_c(served: Place, topic: str) -> None:
    with listening(served, topic) as process:
        assert process.stdout is not None
        for number in range(3):
            served.said("pubsub", "send", "events", topic, str(number))
            assert process.stdout.readline().decode().endswith(f"  {number}\n")
        process.send_signal(signal.SIGINT)
        assert output_of(process) == []


def test_sending_to_nobody_is_no_failure(served: Place, topic: str) -> None:
    assert served.said("pubsub", "send", "metrics", topic, "1").out == "Given to 0 listeners.\n"


def test_a_message_is_read_from_stdin(served: Place, topic: str) -> None:
    with listening(served, topic, "-n", "1", "--json") as process:
        sent = piped(*served.where, "pubsub", "send", "events", topic, "-", stdin=b'{"long":\n ["text"]}\n')
        assert (sent.code, sent.out, sent.err) == (0, "Given to 1 listener.\n", "")
        (line,) = output_of(process)
    assert json.loads(line)["message"] == {"long": ["text"]}


def test_the_instances_are_listed(served: Place) -> None:
    heading, *rows = served.said("pubsub", "instances").out.splitlines()
    assert heading.split()[:2] == ["INSTANCE", "LISTENERS"]
    assert [row.split()[0] for row in rows] == [instance.value for instance in Instance]
    found = served.said("pubsub", "instances", "--json").document
    assert {(each["name"], each["overflow"]) for each in found} >= {("audit", "never"), ("metrics", "drop_oldest")}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["listen", "nothing"], "invalid_argument"),
        (["listen", "events", ""], "invalid_argument"),
        (["send", "nothing", "t", "1"], "invalid_argument"),
        (["send", "events", "", "1"], "invalid_argument"),
        (["send", "events", "t", str(1 << 64)], "validation_error"),
    ],
)
def test_what_the_node_refuses_fails_with_its_code(served: Place, arguments: list[str], code: str) -> None:
    refused = served.typed("pubsub", *arguments, "--json")
    assert (refused.code, refused.out, refused.error["code"]) == (1, "", code)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["send", "events", "t", "nonsense"], "not JSON"),
        (["send", "events", "t", "\udcff"], "not JSON"),
        (["listen", "events", "-n", "0"], "--count"),
    ],
)
def test_what_is_typed_wrongly_is_a_usage_error(served: Place, arguments: list[str], hint: str) -> None:
    refused = served.typed("pubsub", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert hint in refused.err


@pytest.mark.parametrize("arguments", [["instances"], ["listen", "events"], ["send", "events", "t", "1"]])
def test_a_folder_of_store_files_has_no_messages(served: Place, tmp_path: object, arguments: list[str]) -> None:
    refused = Place(("--data-dir", str(tmp_path)), served.store).typed("pubsub", *arguments)
    assert refused.code == 2
    assert "--url" in refused.err


def test_a_message_on_stdin_that_is_no_json_is_a_usage_error(served: Place) -> None:
    refused = piped(*served.where, "pubsub", "send", "events", "t", "-", stdin=b"\xff{")
    assert (refused.code, refused.out) == (2, "")
    assert "not JSON" in refused.err
