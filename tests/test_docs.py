"""The documentation does what it says: examples run, links lead somewhere, generated pages are current."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

import gater
from gater.api.gater_api import GaterApi
from gater.cli.main import app
from gater.config.settings import FIELD_TYPES, Settings
from gater.config.sources import load_settings
from gater.wire.errors import ERRORS
from scripts.doc_pages.commands_page import command_names
from scripts.generate_docs import PAGES, REFERENCE, generated
from tests.documentation.markdown import Block, anchors_of, blocks_of, links_of
from tests.documentation.session import run_page

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "README.md"
FRONT = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
ALL = [*FRONT, *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN_BY_HAND = [page for page in ALL if page.parent != REFERENCE or page.name not in PAGES]
GENERATED = generated()


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def examples(language: str) -> list[Any]:
    found = [(page, block) for page in ALL for block in blocks_of(page.read_text()) if block.language == language]
    return [pytest.param(block, id=f"{name_of(page)}:{block.line}") for page, block in found]


def has_examples(page: Path) -> bool:
    return any(block.runs for block in blocks_of(page.read_text()))


@pytest.mark.parametrize("page", [page for page in ALL if has_examples(page)], ids=name_of)
def test_examples_of_a_page_run_and_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


@pytest.mark.parametrize("block", examples("sh"))
def test_command_lines_are_understood(block: Block) -> None:
    root = typer.main.get_command(app)
    for words in gater_command_lines(block.text):
        command, rest = root, words
        while members := getattr(command, "commands", None):
            assert set(rest[:1]) & set(members), f"there is no command {shlex.join(['gater', *words])}"
            command, rest = members[rest[0]], rest[1:]
        command.make_context("gater", rest, resilient_parsing=False)


def gater_command_lines(text: str) -> list[list[str]]:
    """The words after `gater` of each such command; what a shell does with pipes and redirections left aside."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;\n"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [_words_after_gater(command) for command in commands if "gater" in command]


def _words_after_gater(command: list[str]) -> list[str]:
    rest = command[command.index("gater") + 1 :]
    return rest[: next((at for at, word in enumerate(rest) if set(word) <= set("<>")), len(rest))]


@pytest.mark.parametrize("block", examples("toml"))
def test_settings_files_are_accepted(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "gater.toml"
    path.write_text(block.text)
    load_settings(file=path, environ={})


@pytest.mark.parametrize("block", examples("json"))
def test_json_is_json(block: Block) -> None:
    msgspec.json.decode(block.text)


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links_of(page.read_text()):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} leads nowhere"
        assert found.is_relative_to(ROOT), f"{target} leads out of the project"
        if anchor:
            assert anchor in anchors_of(found.read_text()), f"{target}: there is no such heading"


def test_every_page_is_in_the_index() -> None:
    listed = {(INDEX.parent / target.partition("#")[0]).resolve() for target in links_of(INDEX.read_text())}
    missing = [name_of(page) for page in (ROOT / "docs").rglob("*.md") if page != INDEX and page not in listed]
    assert not missing


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_generated_page_is_current(page: Path) -> None:
    assert page.read_text() == GENERATED[page], "run: make docs"


def test_page_of_the_api_has_every_method() -> None:
    headings = set(re.findall(r"^#### (\w+)$", (ROOT / "docs/reference/api.md").read_text(), re.MULTILINE))
    offered = {name for name in dir(GaterApi) if not name.startswith("_")}
    assert offered - headings == set()


@pytest.mark.parametrize("cls", [GaterApi, gater.BlockingGaterApi, gater.Delivery, gater.BlockingDelivery])
def test_page_of_the_api_has_every_parameter(cls: type) -> None:
    page = (ROOT / "docs/reference/api.md").read_text()
    sections = re.split(r"^#### ", page, flags=re.MULTILINE)
    heads = {name: [] for name in dir(cls) if not name.startswith("_") and callable(getattr(cls, name))}
    for section in sections:
        heads.setdefault(section.partition("\n")[0], []).append(section.split("```")[1] if "```" in section else "")
    for name in dir(cls):
        method = getattr(cls, name)
        if not name.startswith("_") and inspect.isfunction(method):
            names = list(inspect.signature(inspect.unwrap(method)).parameters)[1:]
            assert any(all(re.search(rf"\b{each}\b", head) for each in names) for head in heads[name]), name


def test_page_of_the_api_has_every_public_name() -> None:
    pages = "".join((ROOT / "docs/reference" / name).read_text() for name in ("api.md", "errors.md"))
    assert [name for name in gater.__all__ if not re.search(rf"\b{name}\b", pages)] == []


@pytest.mark.parametrize("page", WRITTEN_BY_HAND, ids=name_of)
def test_modules_that_are_named_exist(page: Path) -> None:
    modules = [path.as_posix() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.*")]
    named = re.findall(r"`([a-z_/]+\.(?:py|sql))`", page.read_text())
    own = {block.mark.removeprefix("file: ") for block in blocks_of(page.read_text())} | {"first_events.py"}
    missing = [name for name in named if not any(path.endswith(f"/{name}") for path in modules)]
    assert not set(missing) - own


def words_of(pages: list[Path]) -> set[str]:
    return set(re.findall(r"\w+", " ".join(page.read_text() for page in pages)))


def test_every_public_method_is_explained_in_a_guide() -> None:
    public = {name for name in vars(GaterApi) if not name.startswith("_")}
    assert public - {"close"} <= words_of([page for page in WRITTEN_BY_HAND if page.parent.name in ("start", "how-to")])


def test_every_error_code_is_named() -> None:
    assert set(ERRORS) <= words_of([REFERENCE / "errors.md"])


def test_every_setting_is_named() -> None:
    assert set(FIELD_TYPES) <= words_of([REFERENCE / "settings.md"])


def test_bounds_that_a_guide_states_are_the_defaults() -> None:
    text = (ROOT / "docs" / "how-to" / "run-under-load.md").read_text()
    stated = re.findall(r"\(`(max_\w+)`\) \| ([\d,]+)( MiB)? \|", text)
    bounds = {name for name in FIELD_TYPES if name.startswith("max_")}
    assert {name for name, _, _ in stated} == bounds
    for name, number, unit in stated:
        assert int(number.replace(",", "")) << (20 if unit else 0) == getattr(Settings(), name), name


def test_every_command_is_shown_at_work() -> None:
    shown = [
        " ".join(words)
        for page in WRITTEN_BY_HAND
        for block in blocks_of(page.read_text())
        if block.language == "sh"
        for words in gater_command_lines(block.text)
    ]
    unseen = [name for name in command_names() if not any(f"gater {line} ".startswith(f"{name} ") for line in shown)]
    assert not unseen


@pytest.mark.parametrize("page", [page for page in WRITTEN_BY_HAND if page not in GENERATED], ids=name_of)
def test_prose_is_wrapped(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert not [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")]
