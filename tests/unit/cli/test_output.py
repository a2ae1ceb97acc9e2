"""What commands print."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gater.cli import output


def test_control_characters_are_spelled_out() -> None:
    assert output.printable("a\x1b[31mb\x9bc\x7f\n") == "a\\x1b[31mb\\x9bc\\x7f\\x0a"


def test_payloads_are_shown_on_one_line() -> None:
    assert output.payload_text(b'{\n "a": 1\n}', "application/json") == '{  "a": 1 }'
    assert output.payload_text(b"\x00" * 2000, "image/png") == "2,000 bytes of image/png"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes_are_said_as_people_do(count: int, text: str) -> None:
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.7, "12 s"), (119, "119 s"), (130, "2 min"), (8000, "2 h"), (260_000, "3 d")],
)
def test_lengths_of_time_are_said_as_people_do(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_numbers_of_things() -> None:
    assert [output.counted(number, "event") for number in (0, 1, 2000)] == ["0 events", "1 event", "2,000 events"]


def test_moments_are_utc_to_the_millisecond() -> None:
    assert output.moment(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)) == "2026-01-02 03:04:05.678"
    assert output.epoch_moment(1_500_000) == "1970-01-01 00:00:01.500"


def test_a_table_that_is_not_for_a_terminal_is_neither_cut_nor_folded(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("NAME", "NUMBER"), [("x" * 500, 12_345), ("[bold]y", 1)], empty="none")
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "NUMBER"]
    assert first.split() == ["x" * 500, "12,345"]
    assert second.split() == ["[bold]y", "1"]


def test_an_empty_table_says_so_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("NAME",), [], empty="Nothing here.")
    assert capsys.readouterr() == ("", "Nothing here.\n")


def test_documents_and_lines_are_json(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    output.print_document({"a": [1]})
    assert json.loads(capsysbinary.readouterr().out) == {"a": [1]}
    output.print_lines([{"a": 1}, {"a": 2}])
    assert capsysbinary.readouterr().out == b'{"a":1}\n{"a":2}\n'
