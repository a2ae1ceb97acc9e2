"""A page in the browser that shows events as they come, by server-sent events.

    gater serve --store greenhouse &
    python examples/browser/serve.py 8080

The page and its events come from one address, as browsers want it: this program gives the page, and passes the events
on from the node. A token of the node stays here, and out of the page.
"""

from __future__ import annotations

import os
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

PAGE: Final = Path(__file__).with_name("index.html")
NODE: Final = os.environ.get("GATER_URL", "http://127.0.0.1:4001")
TOKEN: Final = os.environ.get("GATER_TOKEN")
RETRY_MS: Final = 500
"""How long the browser waits before it comes again."""
QUIET_SECONDS: Final = 60.0
"""A node that sends nothing for so long is gone: it sends a comment every 15 seconds."""


class Handler(BaseHTTPRequestHandler):
    """Answers for the page, and for its events."""

    def do_GET(self) -> None:
        """The page, or the events."""
        if self.path == "/":
            self._send_page()
        elif self.path == "/events":
            self._pass_events_on()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send_page(self) -> None:
        page = PAGE.read_bytes()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _pass_events_on(self) -> None:
        """Everything as the node sends it, until the browser or the node leaves; then the browser comes again."""
        headers = {} if TOKEN is None else {"Authorization": f"Bearer {TOKEN}"}
        if last := self.headers.get("Last-Event-ID"):
            headers["Last-Event-ID"] = last
        asked = Request(f"{NODE}/v1/stores/greenhouse/subscribe?type=by_event_type&selector=Measured", headers=headers)
        try:
            with urlopen(asked, timeout=QUIET_SECONDS) as events:
                self._begin_stream()
                while chunk := events.read1(65_536):
                    self.wfile.write(chunk)
        except HTTPError as refused:
            refused.close()
            if refused.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                self.send_error(refused.code)  # asking again is vain, and a browser does not
            else:
                self._begin_stream()
        except URLError:
            self._begin_stream()
        except (ConnectionError, TimeoutError):
            pass  # the node or the browser has left

    def _begin_stream(self) -> None:
        """Begin an answer; when nothing follows, the browser comes again, as it does after no other status than 200."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(b"retry: %d\n\n" % RETRY_MS)


def main(port: int) -> None:
    """Serve until interrupted."""
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
