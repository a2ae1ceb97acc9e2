"""`gater stores`, `streams`, `snapshots`, `status`, `verify`, `backup` and `bench`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.places import Place
from tests.integration.cli.runs import PROGRAM, piped, typed


def test_stores_are_made_listed_and_removed(place: Place) -> None:
    name = f"{place.store}-b"
    made = place.said("stores", "create", name, "--description", "for a test", "--tag", "a", "--tag", "b", "--json")
    assert (made.document["store_id"], made.document["tags"]) == (name, ["a", "b"])
    listed = place.said("stores", "list", "--json").document
    assert {place.store, name} <= {info["store"]["store_id"] for info in listed}
    (row,) = [line for line in place.said("stores", "list").out.splitlines() if line.startswith(name)]
    assert "for a test" in row
    assert row.split()[2] == "active"
    assert place.said("stores", "remove", name, "--yes").out == f"Removed the store {name}.\n"
    assert place.typed("stores", "config", name).code == 1


def test_a_taken_name_and_a_bad_name_are_refused(place: Place) -> None:
    assert place.typed("stores", "create", place.store).err.startswith("already_exists: ")
    assert place.typed("stores", "create", "a/b").err.startswith("invalid_argument: store: ")


def test_a_store_is_not_removed_without_a_yes_that_someone_could_give(served: Place) -> None:
    refused = piped(*served.where, "stores", "remove", served.store)
    assert refused.code == 2
    assert "--yes" in refused.err
    served.said("stores", "status", served.store)


def test_status_and_config_of_a_store(place: Place) -> None:
    place.said("append", place.store, "s", "t", "1", "2")
    status = place.said("stores", "status", place.store, "--json").document
    assert (status["state"], status["position"], status["streams"]) == ("running", 2, 1)
    assert "position          2" in place.said("stores", "status", place.store).out
    assert place.said("stores", "config", place.store, "--json").document["store_id"] == place.store
    assert place.store in place.said("stores", "config", place.store).out
    (only,) = place.said("status", place.store, "--json").document
    assert only["store"] == place.store
    heading, *rows = place.said("status").out.splitlines()
    assert heading.split()[:4] == ["STORE", "STATE", "DURABILITY", "POSITION"]
    assert any(row.split()[:4] == [place.store, "running", "fsync", "2"] for row in rows)


def test_streams_are_listed_with_their_versions(place: Place) -> None:
    for stream in ("order-1", "order-2", "user-1"):
        place.said("append", place.store, stream, "t", "1", "2")
    listed = place.said("streams", "list", place.store, "--prefix", "order-", "--json").document
    assert listed == [{"stream_id": "order-1", "version": 1}, {"stream_id": "order-2", "version": 1}]
    assert len(place.said("streams", "list", place.store, "--limit", "2", "--json").document) == 2
    assert place.said("streams", "list", place.store).out.splitlines()[1].split() == ["order-1", "1"]
    assert place.said("streams", "version", place.store, "user-1").out == "1\n"
    assert place.said("streams", "version", place.store, "nobody", "--json").document["version"] == -1


def test_streams_are_truncated_deleted_and_closed(place: Place) -> None:
    place.said("append", place.store, "s", "t", "0", "1", "2")
    place.said("streams", "truncate", place.store, "s", "2")
    assert [event["version"] for event in place.said("read", place.store, "s", "--json").lines] == [2]
    assert place.typed("streams", "delete", place.store, "s", "--expected-version", "0").code == 1
    place.said("streams", "delete", place.store, "s", "--expected-version", "2")
    assert place.said("read", place.store, "s", "--json").lines == []
    assert place.said("stores", "compact", place.store, "--json").document["removed_events"] == 3
    place.said("streams", "delete", place.store, "s", "--tombstone", "--yes")
    assert place.typed("append", place.store, "s", "t", "1").err.startswith("stream_deleted: ")


def test_snapshots_are_recorded_shown_listed_and_deleted(place: Place) -> None:
    key = ["account", "account-1"]
    for version in ("3", "9"):
        place.said("snapshots", "record", place.store, *key, version, f'{{"balance": {version}}}', "--source-type", "A")
    newest = place.said("snapshots", "show", place.store, *key, "--json").document
    assert (newest["version"], newest["data"], newest["source_type"]) == (9, {"balance": 9}, "A")
    assert '{"balance": 3}' in place.said("snapshots", "show", place.store, *key, "3").out
    assert [each["version"] for each in place.said("snapshots", "list", place.store, "--json").document] == [3, 9]
    assert place.said("snapshots", "list", place.store, "--source", "nobody").out == ""
    place.said("snapshots", "delete", place.store, *key, "9")
    assert place.typed("snapshots", "show", place.store, *key, "9").err.startswith("not_found: ")


def test_a_sound_store_passes_verification(place: Place) -> None:
    place.said("append", place.store, "s", "t", "1", "2")
    (report,) = place.said("verify", place.store, "--json").document
    assert (report["ok"], report["events"], report["problems"]) == (True, 2, [])
    assert place.said("verify", place.store).out.splitlines()[1].split()[:2] == [place.store, "sound"]


def test_a_damaged_store_fails_verification(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    assert piped(*where, "stores", "create", "s").code == 0
    assert piped(*where, "append", "s", "a", "t", "1", "2", "3").code == 0
    with sqlite3.connect(tmp_path / "s.db") as file:
        file.execute("DELETE FROM events WHERE position = 2")
    file.close()
    found = piped(*where, "verify", "s", "--json")
    assert found.code == 1
    if found.out:
        assert json.loads(found.out)[0]["problems"]
    else:
        assert json.loads(found.err)["error"]["code"] == "store_corrupt"


def test_a_backup_is_a_store_file(place: Place, tmp_path: Path) -> None:
    place.said("append", place.store, "s", "t", "1", "2")
    copies = tmp_path / "copies"
    copies.mkdir()
    target = copies / "copy.db"
    assert place.said("backup", place.store, str(target), "--json").document["bytes"] == target.stat().st_size
    again = place.typed("backup", place.store, str(target))
    assert (again.code, again.err.split(":")[0]) == (1, "already_exists")
    assert place.typed("backup", place.store, str(tmp_path / "none" / "copy.db")).code == 1
    restored = piped("--data-dir", str(copies), "read", "copy", "--json")
    assert len(restored.lines) == 2


def test_bench_loads_the_server_and_leaves_nothing_behind(served: Place) -> None:
    before = served.said("stores", "list", "--json").document
    result = served.said("bench", "--seconds", "0.3", "--in-flight", "4", "--batch", "5", "--json").document
    assert result["events"] == result["calls"] * 5 > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["p99_9_ms"]
    assert served.said("stores", "list", "--json").document == before


def test_bench_can_use_a_store_that_is_there(place: Place) -> None:
    told = place.said("bench", "--seconds", "0.2", "--in-flight", "2", "--store", place.store)
    assert "events/s" in told.out
    assert place.said("stores", "status", place.store, "--json").document["position"] > 0
    assert place.typed("bench", "--seconds", "0.2", "--store", "nowhere").err.startswith("store_not_found: ")


@pytest.mark.parametrize(
    "options", [["--seconds", "0"], ["--in-flight", "0"], ["--batch", "x"], ["--event-bytes", "1"]]
)
def test_bench_typed_wrongly_is_a_usage_error(served: Place, options: list[str]) -> None:
    assert served.typed("bench", *options).code == 2


def test_ctrl_c_at_a_question_ends_the_command_at_once(served: Place) -> None:
    terminal, end = os.openpty()
    command = [*PROGRAM, *served.where, "stores", "remove", served.store]
    with subprocess.Popen(command, stdin=end, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        os.close(end)
        assert process.stdout is not None
        while b"[y/N]" not in process.stdout.peek():  # type: ignore[attr-defined]
            process.stdout.read1()  # type: ignore[attr-defined]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    os.close(terminal)
    assert served.store in served.said("stores", "list").out


def test_verifying_a_folder_changes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    shutil.copy(Path(__file__).parents[2] / "unit/store/files/schema_2.db", file)
    before = file.read_bytes()
    done = typed("verify", "--data-dir", str(tmp_path), "--json")
    assert (done.code, [report["ok"] for report in done.document]) == (0, [True])
    assert (file.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, ["s.db"])
    assert typed("verify", "other", "--data-dir", str(tmp_path)).err.startswith("store_not_found")
