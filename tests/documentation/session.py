"""Runs the examples of a page in order, as someone would who types them: in one folder, beside one node."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import gater
from gater.api.gater_api import GaterApi
from gater.testing.server import GaterServer
from tests.documentation.markdown import Block, blocks_of, shows

ADDRESS: Final = "http://127.0.0.1:4001"
"""Where pages say that the node is."""
STORE: Final = "orders"
SECONDS: Final = 30.0


def run_page(page: Path, folder: Path) -> None:
    """Run what can be run of a page, and compare what it prints with what the page shows."""
    blocks = [block for block in blocks_of(page.read_text()) if block.runs]
    with ExitStack() as stack:
        Session(page, folder, stack).run(blocks)


def _calls_node(block: Block) -> bool:
    if block.language == "sh":
        return "curl" in block.text or any("--data-dir" not in line for line in re.findall(r"gater .*", block.text))
    return ADDRESS in block.text


def _is_program(text: str) -> bool:
    return "asyncio.run(" in text or "_sync(" in text


def _uses_api(block: Block) -> bool:
    """Whether it is a piece of a function that takes an open `api` for granted."""
    own = _is_program(block.text) or ADDRESS in block.text
    return block.language != "sh" and not own and re.search(r"\bapi\b", block.text) is not None


class Session:
    """The examples of one page, one after the other: what one defines, the next may use.

    All of them share the folder `data`. A page that calls a node has one, started when it is first needed, and then
    its `api` is connected to it.
    """

    def __init__(self, page: Path, folder: Path, stack: ExitStack) -> None:
        self._page = page
        self._folder = folder
        self._stack = stack
        self._url = ""
        self._names: dict[str, Any] = {"gater": gater, "__name__": "__page__"}

    def run(self, blocks: list[Block]) -> None:
        """Run the blocks; AssertionError at the first that does not do what the page says."""
        has_node = any(map(_calls_node, blocks))
        with contextlib.chdir(self._folder):
            for block in blocks:
                if not self._url and has_node and (_calls_node(block) or _uses_api(block)):
                    self._url = self._stack.enter_context(self._node()).url
                printed = self._run(block)
                where = f"{self._page.name}, line {block.line}"
                if block.output is not None:
                    assert shows(block.output, printed), f"{where}: it printed\n{printed}\nnot\n{block.output}"

    def _node(self) -> GaterServer:
        """A node with the tokens of the first settings that the page shows, if any."""
        shown = next((block.text for block in blocks_of(self._page.read_text()) if block.language == "toml"), None)
        arguments: list[str] = []
        if shown is not None:
            settings = self._folder / "node.toml"
            settings.write_text(shown)
            arguments = ["--config", str(settings), "--host", "127.0.0.1"]
        return GaterServer([STORE], data_dir=self._folder / "data", arguments=arguments)

    def _run(self, block: Block) -> str:
        text = block.text.replace(ADDRESS, self._url or ADDRESS)
        if block.mark.startswith("file: "):
            Path(block.mark.removeprefix("file: ")).write_text(text)
            return ""
        if block.language == "sh":
            return self._run_program(["bash", "-e", "-c", text], block)
        if _is_program(text):
            Path("program.py").write_text(text)
            return self._run_program([sys.executable, "-W", "error", "program.py"], block)
        return self._run_lines(text, block)

    def _run_program(self, command: list[str], block: Block) -> str:
        found = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            env=self._environment(),
        )
        expected = int(block.mark.removeprefix("fails:")) if block.mark.startswith("fails:") else 0
        assert found.returncode == expected, f"{self._page.name}, line {block.line}: {found.stdout}"
        return found.stdout.replace(self._url, ADDRESS) if self._url else found.stdout

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATER_")}
        return {**kept, "PATH": path, "NO_COLOR": "1", **({"GATER_URL": self._url} if self._url else {})}

    def _run_lines(self, text: str, block: Block) -> str:
        """Run a piece of an async function, with an open `api` if it needs one."""
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(text, f"{self._page}:{block.line}", "exec", flags=flags, dont_inherit=True)
        printed = Printed(block.output if block.mark == "until printed" else None)

        async def work() -> None:
            async with self._api() if _uses_api(block) else contextlib.nullcontext() as api:
                self._names["api"] = api
                result = eval(code, self._names)
                if inspect.isawaitable(result):
                    await result

        async def bounded() -> None:
            async with asyncio.timeout(SECONDS):
                running = asyncio.ensure_future(work())
                printed.on_complete = running.cancel
                with contextlib.suppress(*([asyncio.CancelledError] if block.mark == "until printed" else [])):
                    await running

        with contextlib.redirect_stdout(printed):
            asyncio.run(bounded())
        return printed.getvalue()

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[GaterApi]:
        opening = gater.connect(self._url) if self._url else gater.open("data/", stores=[STORE])
        async with opening as api:
            yield api


class Printed(io.StringIO):
    """What an example prints; calls `on_complete` when that is what the page shows of an endless one."""

    def __init__(self, awaited: str | None) -> None:
        super().__init__()
        self.on_complete: Callable[[], object] = bool
        self._awaited = awaited

    def write(self, text: str) -> int:
        """Take what is printed."""
        size = super().write(text)
        if self._awaited is not None and shows(self._awaited, self.getvalue()):
            self.on_complete()
        return size
