"""The script with the blocking API: on a folder and on a node, and again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gater.testing.server import GaterServer
from tests.examples.programs import EXAMPLES, SECONDS


@pytest.mark.parametrize("place", ["folder", "node"])
def test_it_imports_orders_and_can_be_run_again(place: str, tmp_path: Path, node: GaterServer) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("order,customer,total\n1,Ada,12\n2,Grace,30\n3,Ada,20\n")
    for _ in range(2):
        where = node.url if place == "node" else str(tmp_path / "data")
        command = [sys.executable, str(EXAMPLES / "script" / "import_orders.py"), str(orders), where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", "Ada: 32\nGrace: 30\n")
