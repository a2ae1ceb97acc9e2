"""The shape of the code: imports point downwards, modules are of a size to read, each says what it is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gater"
MODULES = sorted(SOURCE.rglob("*.py"))
TREES = {module: ast.parse(module.read_text()) for module in MODULES}
BESIDE = sorted(module for folder in ("bench", "scripts", "tests") for module in (ROOT / folder).rglob("*.py"))
EXPLAINED = sorted(module for folder in ("bench", "scripts", "examples") for module in (ROOT / folder).rglob("*.py"))
RIDDLE = re.compile(r"^(what|where|who|whose|how|why)\b|\b(whoever|whom|somebody|nobody|anybody)\b", re.I)
"""Of summary lines that readers would have to guess at."""
LONGEST = 400
"""Lines that a module may have."""


def name_of(module: Path) -> str:
    return str(module.relative_to(ROOT))


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 50


def test_imports_point_downwards() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout


def test_a_module_opens_with_one_sentence_about_it() -> None:
    for module, tree in TREES.items():
        described = ast.get_docstring(tree)
        assert described, f"{name_of(module)} has no docstring"
        first = described.split("\n\n")[0].replace("\n", " ")
        assert first[0].isupper() or first[0] == "`", (name_of(module), first)
        assert first.endswith((".", "?")), (name_of(module), first)


def test_a_summary_line_is_an_imperative_or_a_noun_phrase() -> None:
    """Not a question, and about things of the field rather than about somebody."""
    riddles = [
        f"{name_of(module)}: {summary}"
        for module in MODULES + EXPLAINED
        for summary in _summaries(ast.parse(module.read_text()))
        if RIDDLE.search(summary)
    ]
    assert riddles == []


def _summaries(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())


def test_a_module_is_of_a_size_to_read() -> None:
    lines = {name_of(module): len(module.read_text().splitlines()) for module in MODULES + BESIDE}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_a_package_holds_no_code() -> None:
    code = [
        f"{name_of(module)}: {ast.unparse(statement)}"
        for module, tree in TREES.items()
        if module.name == "__init__.py"
        for statement in tree.body
        if not _belongs_in_a_package(statement)
    ]
    assert code == []


def _belongs_in_a_package(statement: ast.stmt) -> bool:
    is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    is_name = isinstance(statement, ast.Assign) and all(
        isinstance(target, ast.Name) and target.id in ("__all__", "__version__") for target in statement.targets
    )
    return is_docstring or is_name or isinstance(statement, ast.Import | ast.ImportFrom)


def test_only_the_settings_read_the_environment() -> None:
    reads = [
        f"{name_of(module)}:{node.lineno}"
        for module, tree in TREES.items()
        if module.relative_to(SOURCE).parts[0] != "config"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert reads == []


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{name_of(module)}:{number}"
        for module in MODULES
        for number, line in enumerate(module.read_text().splitlines(), 1)
        if any(mark in line for mark in ("TODO", "FIXME", "XXX", "HACK"))
    ]
    assert left == []


def test_a_folder_earns_its_place() -> None:
    banned = {"utils", "helpers", "common", "base", "core", "manager", "misc"}
    names = {module.stem for module in MODULES} | {module.parent.name for module in MODULES}
    assert names & banned == set()
