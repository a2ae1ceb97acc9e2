"""The facts of a class in its source: its fields with their types, defaults and docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import Final

LONGEST_LINE: Final = 110


@dataclass(frozen=True, slots=True)
class Field:
    """A field or property as its source shows it."""

    name: str
    type: str
    default: str
    doc: str


def fields_of(cls: type) -> list[Field]:
    """The fields and properties that a class declares, in order."""
    body = _class_body(cls)
    found: list[Field] = []
    for number, node in enumerate(body):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                default = "" if node.value is None else ast.unparse(node.value)
                found.append(
                    Field(name, ast.unparse(node.annotation), _plain_default(default), _doc_after(body, number))
                )
            case ast.FunctionDef(name=name) if _is_property(node) and not name.startswith("_"):
                doc = (ast.get_docstring(node) or "").replace("\n", " ")
                returns = "" if node.returns is None else ast.unparse(node.returns)
                found.append(Field(name, returns, "", doc))
    return found


def groups_of_methods(cls: type) -> list[tuple[str, list[str]]]:
    """The public methods of a class and its bases under the headings `# --- heading ---` of their sources."""
    groups: list[tuple[str, list[str]]] = [("life", [])]
    for part in cls.__mro__[:-1]:
        for line in inspect.getsource(part).splitlines():
            heading = re.fullmatch(r"\s*# --- (.+) ---", line)
            method = re.match(r"    (?:async )?def ([a-z]\w*)\(", line)
            if heading:
                groups.append((heading[1], []))
            elif method and method[1] not in groups[-1][1]:  # each overload has a line
                groups[-1][1].append(method[1])
    return [group for group in groups if group[1]]


def public_methods(cls: type) -> list[str]:
    """The names of what a class offers to be called, in the order of its source."""
    return [name for name, thing in vars(cls).items() if inspect.isfunction(thing) and not name.startswith("_")]


def signature_text(name: str, function: object, returns: str | None = None) -> str:
    """The head of a function as its source has it, without `self`; one argument a line when it is long.

    `returns` takes the place of the annotation.
    """
    node = _definition(function)
    parameters = _parameters(node.args)
    if returns is None:
        returns = "None" if node.returns is None else ast.unparse(node.returns)
    short = f"{name}({', '.join(parameters)}) -> {returns}"
    if len(short) <= LONGEST_LINE:
        return short
    return "\n".join([f"{name}(", *[f"    {parameter}," for parameter in parameters], f") -> {returns}"])


def paragraphs(thing: object) -> str:
    """The docstring as Markdown."""
    return inspect.getdoc(thing) or ""


def _definition(function: object) -> ast.FunctionDef | ast.AsyncFunctionDef:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body  # type: ignore[arg-type]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return node


def _parameters(arguments: ast.arguments) -> list[str]:
    plain = arguments.args
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [_parameter(each, default) for each, default in zip(plain, defaults, strict=True) if each.arg != "self"]
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    shown += (["*"] if arguments.kwonlyargs else []) + [_parameter(each, default) for each, default in named]
    return shown if arguments.kwarg is None else [*shown, f"**{_parameter(arguments.kwarg, None)}"]


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    annotation = "" if argument.annotation is None else f": {ast.unparse(argument.annotation)}"
    value = "" if default is None else f" = {ast.unparse(default)}"
    return f"{argument.arg}{annotation}{value}"


def _class_body(cls: type) -> list[ast.stmt]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    return definition.body


def _is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)


def _doc_after(body: list[ast.stmt], number: int) -> str:
    match body[number + 1 : number + 2]:
        case [ast.Expr(value=ast.Constant(value=str(doc)))]:
            return inspect.cleandoc(doc).replace("\n", " ")
    return ""


def _plain_default(text: str) -> str:
    factory = re.fullmatch(r"msgspec\.field\(default_factory=(\w+)\)", text)
    return f"{factory[1]}()" if factory else text
