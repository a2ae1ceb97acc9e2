"""`make torture`: long fault runs, with a report."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.torture.consumers import kill_consumers_repeatedly
from tests.torture.history import History
from tests.torture.kills import kill_repeatedly
from tests.torture.mixed import mix_repeatedly
from tests.torture.mixed_streams import StreamsHistory
from tests.torture.report import Report


def main() -> int:
    """Run the faults, print and write the report; returns 0 when every promise held."""
    options = _parser().parse_args()
    reports = []
    runs: tuple[tuple[Callable[..., Any], int], ...] = (
        (kill_repeatedly, options.kills),
        (kill_consumers_repeatedly, options.consumer_kills),
        (mix_repeatedly, options.mixed_faults),
    )
    for run, faults in runs:
        if faults:
            print(f"seed {options.seed}: {faults} faults", flush=True)
            with tempfile.TemporaryDirectory(prefix="gater-torture-") as folder:
                reports.append(asyncio.run(run(Path(folder), faults, options.seed, _print_progress)))
            _print_report(reports[-1])
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps([asdict(report) for report in reports], indent=2) + "\n")
    return 1 if any(report.violations for report in reports) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Kill a loaded node again and again, and check every promise.")
    parser.add_argument("--kills", type=int, default=200, help="how often to kill a node (default 200)")
    parser.add_argument(
        "--consumer-kills", type=int, default=200, help="then, how often to kill consumers or their node (default 200)"
    )
    parser.add_argument(
        "--mixed-faults", type=int, default=200, help="then, how many faults under a mixed load (default 200)"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--report", type=Path, default=Path("reports/torture.json"))
    return parser


def _print_progress(done: int, history: History | StreamsHistory) -> None:
    if done % 10 == 0:
        print(f"  {done} faults, {history.events} events acknowledged, {len(history.followed)} followed", flush=True)


def _print_report(report: Report) -> None:
    slowest = max(report.recovery_seconds, default=0.0)
    print(f"{report.faults} x {report.fault} in {report.seconds:.0f} s: {report.events} events acknowledged")
    if report.deliveries:
        print(f"killed {report.killed}; {report.deliveries} deliveries, {report.redeliveries} of them again")
    if report.operations:
        print(f"operations: {report.operations}")
    print(f"errors met by writers: {report.errors_met or 'none'}; slowest start {slowest:.2f} s")
    for violation in report.violations:
        print(f"VIOLATED: {violation}")
    print("every promise held" if not report.violations else f"{len(report.violations)} promises were violated")


if __name__ == "__main__":
    sys.exit(main())
