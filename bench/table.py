"""The budget table: one row for each promise, shown on the terminal, as JSON or as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from bench.figures import Budget, Figure, number

COLUMNS: Final = ("id", "work", "Gater", "peer", "peer's figure", "ratio", "budget", "met")
NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One promise and what was measured of it; `problem` says why there is no figure."""

    id: str
    work: str
    budget: Budget | None = None
    gater: Figure | None = None
    peer_name: str = ""
    peer: Figure | None = None
    problem: str = ""

    @property
    def ratio(self) -> float | None:
        """Gater's median to its peer's."""
        return self.gater.median / self.peer.median if self.gater and self.peer else None

    @property
    def met(self) -> bool | None:
        """None when it cannot be judged."""
        if self.budget is None or self.gater is None:
            return None
        return self.budget.is_met(self.gater.median, self.ratio)

    def cells(self) -> tuple[str, ...]:
        """The row in words, one for each column."""
        gater = self.problem or (str(self.gater) if self.gater else NOTHING)
        ratio = NOTHING if self.ratio is None else f"{number(self.ratio)} ×"
        verdict = NOTHING if self.met is None else "met" if self.met else "NOT met"
        peer = str(self.peer) if self.peer else NOTHING
        budget = str(self.budget) if self.budget else NOTHING
        return (self.id, self.work, gater, self.peer_name or NOTHING, peer, ratio, budget, verdict)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "work": self.work,
            "gater": self.gater.to_json() if self.gater else None,
            "peer": {"name": self.peer_name, **self.peer.to_json()} if self.peer else None,
            "ratio": self.ratio,
            "budget": str(self.budget) if self.budget else None,
            "met": self.met,
            "problem": self.problem or None,
        }


def terminal_table(rows: Iterable[Row]) -> Table:
    """The table for a terminal: what is met in green, what is not in red."""
    table = Table(title="Gater's budgets", caption="median of the rounds ± half their range", expand=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("Gater", "peer's figure", "ratio") else "left")
    for row in rows:
        style = "red" if row.problem or row.met is False else "green" if row.met else "dim"
        *cells, verdict = row.cells()
        table.add_row(*(Text(cell) for cell in cells), Text(verdict, style=style))
    return table


def write_json(path: Path, machine: dict[str, Any], settings: dict[str, Any], rows: Iterable[Row]) -> None:
    """Everything, each round's value too."""
    document = {"machine": machine, "settings": settings, "rows": [row.to_json() for row in rows]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_markdown(path: Path, machine: dict[str, Any], settings: dict[str, Any], rows: Iterable[Row]) -> None:
    """The table as documentation shows it, under a line that says on what it was measured."""
    facts = "; ".join(f"{name} {value}" for name, value in {**machine, **settings}.items())
    lines = [f"Measured on: {facts}. Figures are the median of the rounds ± half their range.", ""]
    lines += [_markdown_line(COLUMNS), _markdown_line(["---"] * len(COLUMNS))]
    lines += [_markdown_line(row.cells()) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def _markdown_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
