"""`make torture`: long fault runs, with a report."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.torture.history import History
from tests.torture.kills import Report, kill_repeatedly


def main() -> int:
    """Run the faults, print and write the report; returns 0 when every promise held."""
    parser = argparse.ArgumentParser(description="Kill a loaded node again and again, and check every promise.")
    parser.add_argument("--kills", type=int, default=200, help="how often to kill (default 200)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--report", type=Path, default=Path("reports/torture.json"))
    options = parser.parse_args()
    print(f"seed {options.seed}: {options.kills} kills", flush=True)
    with tempfile.TemporaryDirectory(prefix="gater-torture-") as folder:
        report = asyncio.run(kill_repeatedly(Path(folder), options.kills, options.seed, _print_progress))
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(asdict(report), indent=2) + "\n")
    return _print_report(report)


def _print_progress(done: int, history: History) -> None:
    if done % 10 == 0:
        print(f"  {done} kills, {history.events} events acknowledged, {len(history.followed)} followed", flush=True)


def _print_report(report: Report) -> int:
    slowest = max(report.recovery_seconds, default=0.0)
    print(f"{report.faults} x {report.fault} in {report.seconds:.0f} s: {report.events} events acknowledged")
    print(f"errors met by writers: {report.errors_met or 'none'}; slowest start {slowest:.2f} s")
    for violation in report.violations:
        print(f"VIOLATED: {violation}")
    print("every promise held" if not report.violations else f"{len(report.violations)} promises were violated")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
