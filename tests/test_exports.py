"""The public names: exactly those, in order, importable, and every error among them."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gater
from gater.model import errors


def test_the_list_of_names_is_in_order_and_without_repeats() -> None:
    constants = [name for name in gater.__all__ if name.isupper()]
    classes = [name for name in gater.__all__ if name[0].isupper() and not name.isupper()]
    functions = [name for name in gater.__all__ if name[0].islower()]
    assert gater.__all__ == sorted(constants) + sorted(classes) + sorted(functions)
    assert len(set(gater.__all__)) == len(gater.__all__)


@pytest.mark.parametrize("name", gater.__all__)
def test_every_name_is_there(name: str) -> None:
    assert hasattr(gater, name)


def test_nothing_else_is_public() -> None:
    public = {name for name, value in vars(gater).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public == set(gater.__all__)


def printed_by(code: str) -> str:
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_star_import_gives_these_names() -> None:
    names = printed_by("before = set(globals()); from gater import *; print(*(set(globals()) - before - {'before'}))")
    assert set(names.split()) == set(gater.__all__)


def test_every_error_is_exported() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    every = {name: kind for name, kind in classes.items() if issubclass(kind, errors.GaterError)}
    assert {name: getattr(gater, name, None) for name in every} == every


@pytest.mark.parametrize("name", [name for name in gater.__all__ if inspect.isclass(getattr(gater, name))])
def test_every_public_class_is_described_and_found_where_it_says(name: str) -> None:
    kind = getattr(gater, name)
    assert inspect.getdoc(kind)
    assert pickle.loads(pickle.dumps(kind)) is kind


@pytest.mark.parametrize("name", ["open", "open_sync", "connect", "connect_sync"])
def test_every_public_function_is_described(name: str) -> None:
    assert inspect.getdoc(getattr(gater, name))


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert gater.__version__ == project["version"]


def test_importing_it_brings_no_server_along() -> None:
    heavy = "'litestar', 'uvicorn', 'typer', 'rich', 'apsw', 'gater.store', 'gater.subscriptions', 'gater.messages'"
    assert printed_by(f"import sys, gater; print([name for name in ({heavy}) if name in sys.modules])") == "[]"
