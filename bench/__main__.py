"""`python -m bench` measures the budgets side by side with Gater's peers and prints the table.

Exit code 0 when everything was measured, met or not; 1 when something could not be measured; 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench import machine, table
from bench.catalog import WORKS
from bench.load import LoadError
from bench.rounds import Run
from bench.servers import ServerError
from bench.table import Row

WIDTH_WITHOUT_TERMINAL: Final = 170


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders are cleaned up
    console = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
    rounds = options.rounds or (3 if options.quick else 5)
    seconds = options.seconds or (0.7 if options.quick else 2.0)
    settings = {"rounds": rounds, "seconds a turn": seconds}
    progress = Console(stderr=True, log_path=False)
    with tempfile.TemporaryDirectory(prefix="gater-bench-", dir=options.folder) as folder:
        facts = machine.describe(Path(folder))
        console.print(", ".join(f"{name} {value}" for name, value in {**facts, **settings}.items()), highlight=False)
        rows: list[Row] = []
        try:
            for id in options.only:
                progress.log(f"measuring {id}")
                with progress.status(id) as status:
                    run = Run(
                        folder=Path(folder),
                        seconds=seconds,
                        rounds=rounds,
                        quick=options.quick,
                        large=options.large,
                        say=_progress(id, status.update),
                    )
                    rows += _measured(id, run)
        finally:  # also what was measured before an interruption
            console.print(table.terminal_table(rows))
    if options.json:
        table.write_json(options.json, facts, settings, rows)
    if options.markdown:
        table.write_markdown(options.markdown, facts, settings, rows)
    return 1 if any(row.problem for row in rows) else 0


def _measured(id: str, run: Run) -> list[Row]:
    """The rows of one work; one that says why, when it could not be measured."""
    try:
        return WORKS[id](run)
    except (LoadError, ServerError) as error:
        work = (WORKS[id].__doc__ or "").splitlines()[0].removeprefix(f"{id}: ")
        return [Row(id, work, problem=f"not measured: {error}")]


def _progress(id: str, update: Callable[[str], Any]) -> Callable[[str], None]:
    return lambda message: update(f"{id} {message}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Gater's budgets beside its peers.")
    parser.add_argument("--only", type=_ids, default=list(WORKS), help=f"some of {','.join(WORKS)}")
    parser.add_argument("--quick", action="store_true", help="shorter turns, fewer rounds, smaller stores")
    parser.add_argument("--large", action="store_true", help="grow stores to 10 million events, 1 million streams")
    parser.add_argument("--rounds", type=int, help="turns of each side (5; 3 when quick)")
    parser.add_argument("--seconds", type=float, help="measured time of a turn (2; 0.7 when quick)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table for documentation")
    parser.add_argument("--folder", type=Path, help="where the temporary stores go (a real disk, not tmpfs)")
    return parser


def _ids(text: str) -> list[str]:
    chosen = [id.strip().upper() for id in text.split(",")]
    unknown = [id for id in chosen if id not in WORKS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such budget: {', '.join(unknown)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
