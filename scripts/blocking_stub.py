"""The types of the blocking API's methods, made from those of GaterApi: for type checkers and editors."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gater.api import blocking
from gater.api.blocking import BlockingGaterApi
from gater.api.gater_api import GaterApi

STUB: Final = Path(blocking.__file__).with_name("blocking_methods.pyi")

_HEAD: Final = '''# ruff: noqa
"""Generated from GaterApi by `make docs`: its methods as BlockingGaterApi has them."""

'''
_INSTEAD: Final = {
    "Delivery": "BlockingDelivery",
    "PagedIterator": "BlockingIterator",
    "Subscription": "BlockingIterator",
    "Consumer": "BlockingConsumer",
}
"""What the blocking API gives in place of what is awaited and iterated."""


def blocking_stub() -> str:
    """The stub as text."""
    imports = {f"from gater.api.blocking_items import {name}" for name in ("BlockingDelivery", "BlockingIterator")}
    imports.add("from gater.api.blocking_consumer import BlockingConsumer")
    methods: list[str] = []
    for cls in GaterApi.__mro__[:-1]:
        module = ast.parse(Path(inspect.getfile(cls)).read_text())
        names = _names_of(module, cls.__module__)
        for method in _methods_of(module, cls.__name__):
            made = _Blocking().visit(method)
            methods.append(ast.unparse(made))
            imports |= {names[node.id] for node in ast.walk(made) if isinstance(node, ast.Name) and node.id in names}
    body = "\n".join(methods).replace("\n", "\n    ")
    return f"{_HEAD}{chr(10).join(sorted(imports))}\n\nclass BlockingMethods:\n    {body}\n"


def _names_of(module: ast.Module, name: str) -> dict[str, str]:
    """The statement that imports each name of a module, those included that the module defines."""
    found: dict[str, str] = {}
    for node in module.body:
        match node:
            case ast.ImportFrom():
                for alias in node.names:
                    renamed = f" as {alias.asname}" if alias.asname else ""
                    found[alias.asname or alias.name] = f"from {node.module} import {alias.name}{renamed}"
            case ast.Assign(targets=[ast.Name(id=defined)]) | ast.AnnAssign(target=ast.Name(id=defined)):
                found[defined] = f"from {name} import {defined}"
            case ast.ClassDef(name=defined):
                found[defined] = f"from {name} import {defined}"
    return found


def _methods_of(module: ast.Module, cls: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The methods of a class that the blocking API has made blocking."""
    made = {name for name, method in vars(BlockingGaterApi).items() if hasattr(method, "__wrapped__")}
    overloaded: set[str] = set()
    for node in ast.walk(module):
        if not isinstance(node, ast.ClassDef) or node.name != cls:
            continue
        for method in node.body:
            if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) or method.name not in made:
                continue
            if any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in method.decorator_list):
                overloaded.add(method.name)
            elif method.name in overloaded:
                continue  # a stub has no implementation of what is overloaded
            yield method


class _Blocking(ast.NodeTransformer):
    """Makes a blocking signature of one of a coroutine, or of what gives an async iterator."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [ast.Expr(ast.Constant(...))]
        self.generic_visit(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.FunctionDef:
        fields = {field: getattr(node, field) for field in node._fields}
        return self.visit_FunctionDef(ast.FunctionDef(**fields, lineno=0))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        instead = _INSTEAD.get(node.id)
        return node if instead is None else ast.parse(instead, mode="eval").body
