"""The shape of the code: imports point downwards, modules are of a size to read, each says what it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gater"
MODULES = sorted(SOURCE.rglob("*.py"))
BESIDE = sorted(module for folder in ("bench", "scripts", "tests") for module in (ROOT / folder).rglob("*.py"))
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


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_opens_with_one_sentence_about_it(module: Path) -> None:
    described = ast.get_docstring(ast.parse(module.read_text()))
    assert described, "no docstring"
    first = described.split("\n\n")[0].replace("\n", " ")
    assert first[0].isupper() or first[0] == "`"
    assert first.endswith((".", "?")), first


@pytest.mark.parametrize("module", MODULES + BESIDE, ids=name_of)
def test_a_module_is_of_a_size_to_read(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("package", sorted(SOURCE.rglob("__init__.py")), ids=name_of)
def test_a_package_holds_no_code(package: Path) -> None:
    for statement in ast.parse(package.read_text()).body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_name = isinstance(statement, ast.Assign) and all(
            isinstance(target, ast.Name) and target.id in ("__all__", "__version__") for target in statement.targets
        )
        assert is_docstring or is_name or isinstance(statement, ast.Import | ast.ImportFrom), ast.unparse(statement)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_only_the_settings_read_the_environment(module: Path) -> None:
    if module.relative_to(SOURCE).parts[0] == "config":
        return
    for node in ast.walk(ast.parse(module.read_text())):
        is_environment = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        assert not is_environment, f"line {getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_nothing_is_left_for_later(module: Path) -> None:
    for number, line in enumerate(module.read_text().splitlines(), 1):
        assert not any(mark in line for mark in ("TODO", "FIXME", "XXX", "HACK")), f"line {number}"


def test_a_folder_earns_its_place() -> None:
    banned = {"utils", "helpers", "common", "base", "core", "manager", "misc"}
    names = {module.stem for module in MODULES} | {module.parent.name for module in MODULES}
    assert names & banned == set()
