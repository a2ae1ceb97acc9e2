"""A browser with a page: Chromium by its driver where it is installed, otherwise what the page does, in Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Protocol

import httpx

from tests.examples.programs import SECONDS, program

FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser(Protocol):
    """Shows one page."""

    def shows(self, state: str, events: list[str]) -> None:
        """Wait until the page says that it is in this state, and has these lines; not for long."""
        ...


@contextmanager
def browser(url: str, folder: Path) -> Iterator[Browser]:
    """A browser in which the page is open."""
    driver = shutil.which("chromedriver")
    if driver is None:
        with Reader(url) as reader:
            yield reader
        return
    with program(driver, "--port=0", python=False, HOME=str(folder)) as running:
        port = running.says(r"successfully on port (\d+)")[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS, trust_env=False) as client:
            page = Page(client, folder)
            page.open(url)
            try:
                yield page
            finally:
                page.close()


class Page:
    """A page in Chromium, by the WebDriver protocol."""

    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self._client = client
        options = {"args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._session = f"/session/{self._ask('/session', wanted)['sessionId']}"

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(path, json=body).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, url: str) -> None:
        """Load the page."""
        self._ask(f"{self._session}/url", {"url": url})

    def shows(self, state: str, events: list[str]) -> None:
        """Wait until the page shows this."""
        script = (
            "return [document.getElementById('state').textContent, "
            "Array.from(document.querySelectorAll('#events li'), line => line.textContent)]"
        )
        _until(lambda: self._ask(f"{self._session}/execute/sync", {"script": script, "args": []}), [state, events])

    def close(self) -> None:
        """End the browser."""
        self._client.delete(self._session)


class Reader:
    """Does what the page's script does: it follows, keeps lines, and comes again with the last id."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=SECONDS, trust_env=False)
        self._state = "connecting"
        self._lines: list[str] = []
        self._ended = False
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Reader:
        page = self._client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert re.search(r'new EventSource\("events"\)', page.text)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        if self._socket is not None:
            with suppress(OSError):  # the server has hung up
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._client.close()

    def _follow(self) -> None:
        last = ""
        while not self._ended:
            try:
                headers = {"accept": "text/event-stream", **({"last-event-id": last} if last else {})}
                with self._client.stream("GET", "/events", headers=headers) as answer:
                    assert answer.status_code == 200, "a browser does not come again"
                    self._socket = answer.extensions["network_stream"].get_extra_info("socket")
                    self._state = "following"
                    for line in answer.iter_lines():
                        name, _, value = line.partition(": ")
                        last = value if name == "id" else last
                        if name == "data" and "event_type" in value:
                            event = json.loads(value)
                            self._lines.append(f"{event['event_type']} {event['data']['celsius']}")
            except httpx.HTTPError:
                pass  # it comes again
            self._state = "reconnecting"
            sleep(0.05)

    def shows(self, state: str, events: list[str]) -> None:
        """Wait until it has read this."""
        _until(lambda: [self._state, list(self._lines)], [state, events])


def _until(look: Any, wanted: Any) -> None:
    deadline = monotonic() + SECONDS
    while (found := look()) != wanted:
        assert monotonic() < deadline, (found, wanted, os.getpid())
        sleep(0.02)
