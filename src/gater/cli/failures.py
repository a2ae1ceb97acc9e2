"""Exit codes of commands: 0 when the command did what it was asked, 1 when it failed, 2 for wrong usage."""

from __future__ import annotations

import json as json_text
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from gater.model.errors import GaterError, InternalError, InvalidArgumentError

FAILED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended: 128 + SIGINT."""

_SUBJECTS: Final = ("argument", "field", "setting", "store")


@contextmanager
def exit_on_failure(*, json: bool = False, interrupt_code: int = INTERRUPTED) -> Iterator[None]:
    """Turn whatever goes wrong inside into a line on stderr and an exit code; defects pass through."""
    try:
        yield
        sys.stdout.flush()
    except GaterError as error:
        report(error, json=json)
        raise typer.Exit(FAILED) from None
    except BaseExceptionGroup as group:
        failure = first_failure(group)
        if failure is None:
            raise
        report(failure, json=json)
        raise typer.Exit(FAILED) from None
    except BrokenPipeError:
        silence_stdout()
        raise typer.Exit(FAILED) from None
    except OSError as error:
        if error.filename is None:
            silence_stdout()
        report(InvalidArgumentError(error.filename or "output", error.strerror or str(error)), json=json)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(interrupt_code) from None


def report(error: GaterError, *, json: bool) -> None:
    """Say on stderr what went wrong: one line for people, or the JSON document that HTTP would answer."""
    if json:
        details = {"code": error.code, "message": error.message, "details": error.details}
        print(json_text.dumps({"error": details}, default=str), file=sys.stderr)
    else:
        typer.secho(f"{error.code}: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(sentence(error), err=True)


def report_defect(defect: Exception) -> None:
    """Say on stderr what Gater did not foresee, and where in it."""
    last = traceback.extract_tb(defect.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    report(InternalError(message=f"{type(defect).__name__}: {defect} ({place}); please report it"), json=False)


def sentence(error: GaterError) -> str:
    """The failure in one line: what is wrong with what, or the message with its facts."""
    facts = dict(error.details)
    reason, subject = facts.pop("reason", None), next((facts.pop(name) for name in _SUBJECTS if name in facts), None)
    if not reason or not subject:
        return str(error)
    others = ", ".join(f"{name}={value!r}" for name, value in facts.items())
    return f"{subject}: {reason}{f' ({others})' if others else ''}"


def first_failure(group: BaseExceptionGroup[BaseException]) -> GaterError | None:
    """The first of a group's exceptions that is a GaterError, when none is anything else."""
    matching, others = group.split(GaterError)
    if matching is None or others is not None:
        return None
    leaf: BaseException = matching
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf if isinstance(leaf, GaterError) else None


def silence_stdout() -> None:
    """Send the rest of the output to the null device after its reader has gone, so that nothing fails at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
