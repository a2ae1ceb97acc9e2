"""`gater export` and `gater import`: what goes out comes in as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import gater
from tests.integration.cli.places import Place
from tests.integration.cli.runs import piped


def fill(place: Place, folder: Path) -> None:
    """Two streams with JSON of many shapes, bytes, metadata, a truncated stream and one that was written again."""
    lines = [
        {"event_type": "json", "data": {"ü": [1, 1.0, 1e300, True, None, "\u2028"]}, "metadata": {"by": "me"}},
        {"event_type": "bytes", "data_base64": "AAEC/w=="},
        {"event_type": "image", "data_base64": "AAEC/w==", "content_type": "image/png", "metadata": {}},
        {"event_type": "spaced", "data_base64": "ewogICJhIjogMQp9Cg==", "content_type": "application/json"},
    ]
    exact = b'{"event_type": "exact", "data": {"a" : 1.50,\t"b":12345678901234567890123}}\n'
    text = "".join(json.dumps(line) + "\n" for line in lines).encode() + exact
    for stream in ("a", "b"):
        done = piped(*place.where, "append", place.store, stream, "-", stdin=text * 150)
        assert done.code == 0, done.err
    place.said("append", place.store, "short", "t", *map(str, range(5)))
    place.said("streams", "truncate", place.store, "short", "3")
    place.said("append", place.store, "again", "t", "1", "2")
    place.said("streams", "delete", place.store, "again")
    place.said("append", place.store, "again", "t", "3")


def test_an_export_imported_elsewhere_is_exported_the_same(place: Place, tmp_path: Path) -> None:
    fill(place, tmp_path)
    other = f"{place.store}-copy"
    place.said("stores", "create", other)
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    place.said("export", place.store, "--output", str(first))
    told = place.said("import", other, str(first), "--json").document
    place.said("export", other, "-o", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert told["events"] == told["new"] == len(first.read_bytes().splitlines())
    assert b'{"a" : 1.50,\t"b":12345678901234567890123}' in first.read_bytes()


def test_an_import_can_be_repeated(place: Place, tmp_path: Path) -> None:
    place.said("append", place.store, "s", "t", *map(str, range(20)))
    exported = tmp_path / "events"
    place.said("export", place.store, "-o", str(exported))
    assert place.said("import", place.store, str(exported)).out == (
        f"Imported 0 events into {place.store} (20 more were there already).\n"
    )


def test_one_stream_is_exported_alone(place: Place) -> None:
    place.said("append", place.store, "a", "t", "1")
    place.said("append", place.store, "b", "t", "2")
    (line,) = place.said("export", place.store, "b").lines
    assert (line["stream_id"], line["version"], line["data"]) == ("b", 0, 2)
    assert "position" not in line


PAYLOADS = [
    gater.NewEvent("json", {"ü": [1, 1.5, None]}, {"by": "me"}),
    gater.NewEvent("pretty", b'{\r\n  "a": "one\\nline",\n  "n": 1.50\n}', None, None, "application/json"),
    gater.NewEvent("bytes", bytes(range(256))),
    gater.NewEvent("image", b"", {}, None, "image/png"),
]


def test_what_one_way_writes_every_other_reads(served: Place, tmp_path: Path) -> None:
    url, store, lines_file = served.where[1], served.store, tmp_path / "lines"
    with gater.connect_sync(url) as api:
        api.append_events(store, "s", PAYLOADS)
        api.save_subscription(store, name="all")
        kept = [(e.event_id, e.event_type, e.content_type, e.data, e.metadata) for e in api.get_events(store, "s")]
        lines = {"accept": "application/x-ndjson"}
        written = [
            served.said("export", store).out,
            served.said("read", store, "--json").out,
            served.said("subscribe", store, "--json", "--count", "4").out,
            served.said("consume", store, "all", "--json", "--count", "4").out,
            httpx.get(f"{url}/v1/stores/{store}/events", headers=lines).text,
            httpx.get(f"{url}/v1/stores/{store}/streams/s/events", headers=lines).text,
            "".join(json.dumps(event.to_dict()) + "\n" for event in api.get_events(store, "s")),
        ]
        readers: list[Callable[[str, str], object]] = [
            lambda into, _: served.said("import", into, str(lines_file)),
            lambda into, text: httpx.post(f"{url}/v1/stores/{into}/import", content=text).raise_for_status(),
            lambda into, text: api.import_events(into, map(json.loads, text.split("\n")[:-1])),
        ]
        for number, text in enumerate(dict.fromkeys(written)):
            assert text.count("\n") == len(PAYLOADS)
            lines_file.write_text(text)
            for reader, read in enumerate(readers):
                into = f"{store}-{number}-{reader}"
                api.create_store(into, in_memory=True)
                read(into, text)
                found = api.read_all(into)
                assert kept == [(e.event_id, e.event_type, e.content_type, e.data, e.metadata) for e in found], text


def test_only_what_a_selector_chooses_is_exported(place: Place) -> None:
    place.said("append", place.store, "order-1", "t", "1", "2")
    place.said("append", place.store, "order-2", "u", "3")
    place.said("append", place.store, "user-1", "t", "4")
    place.said("append", place.store, "order-1", "t", "5")
    exported = place.said("export", place.store, "--prefix", "order-", "--type", "t").lines
    assert [line["data"] for line in exported] == [1, 2, 5]
    assert [line["data"] for line in place.said("export", place.store, "order-1", "--where", "{}").lines] == []


def test_an_export_of_nothing_is_empty_and_says_so(place: Place) -> None:
    nothing = place.said("export", place.store, "nobody")
    assert (nothing.out, nothing.err) == ("", "No events.\n")


def test_an_export_goes_to_a_new_file_whole_or_not_at_all(place: Place, tmp_path: Path) -> None:
    place.said("append", place.store, "s", "t", "1")
    target = tmp_path / "events"
    told = place.said("export", place.store, "-o", str(target), "--json").document
    assert told["bytes"] == target.stat().st_size
    assert place.typed("export", place.store, "-o", str(target)).err.startswith("already_exists: ")
    assert place.typed("export", place.store, "-o", str(tmp_path / "none" / "x")).err.startswith("invalid_argument: ")
    assert place.typed("export", "nowhere", "-o", str(tmp_path / "other")).code == 1
    assert not (tmp_path / "other").exists()
    assert place.typed("export", place.store, "--json").code == 2


def test_an_import_from_stdin(served: Place) -> None:
    line = {
        "stream_id": "s",
        "version": 0,
        "event_id": "01a209f1-a079-7422-840a-868c98e5182e",
        "event_type": "t",
        "data": {"a": 1},
        "created_epoch": 1_700_000_000_000_000,
    }
    done = piped(*served.where, "import", served.store, stdin=json.dumps(line).encode())
    assert done.out == f"Imported 1 event into {served.store}.\n"
    (event,) = served.said("read", served.store, "--json").lines
    assert (event["event_id"], event["created"]) == (line["event_id"], "2023-11-14T22:13:20Z")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": -1}, "validation_error: version"),
        ({"version": "0"}, "validation_error: line 3"),
        ({"event_id": "x"}, "invalid_argument"),
        ({"event_type": ""}, "invalid_argument"),
        ({"stream_id": "$x"}, "invalid_argument"),
        ({"created_epoch": -5}, "validation_error"),
        ({"colour": 1}, "validation_error: line 3"),
        ({"metadata": []}, "validation_error: line 3"),
        ({"version": 1}, "wrong_expected_version"),
        ({"content_type": "image/png"}, "validation_error: line 3"),
    ],
)
def test_an_import_that_cannot_be_taken_fails_with_its_code(
    served: Place, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    good = {"stream_id": "s", "event_type": "t", "data": 1, "created_epoch": 5}
    lines = [
        {**good, "version": 0, "event_id": "01a209f1-a079-7422-840a-868c98e5182e"},
        {**good, "version": 1, "event_id": "01a209f1-a079-7422-840a-868c98e5182f"},
        {**good, "version": 2, "event_id": "01a209f1-a079-7422-840a-868c98e51830", **change},
    ]
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    failed = served.typed("import", served.store, str(path))
    assert failed.code == 1
    assert failed.err.splitlines()[0] == "Stopped after 0 events, 0 of them new."
    assert failed.err.splitlines()[1].startswith(message)
    assert served.said("read", served.store, "--json").lines == []


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_an_import_from_what_is_no_file_fails(served: Place, tmp_path: Path, name: str) -> None:
    assert served.typed("import", served.store, str(tmp_path / name)).err.startswith("invalid_argument: file: ")
