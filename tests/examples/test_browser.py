"""The page that follows events by server-sent events, also over a restart of the node."""

from __future__ import annotations

from pathlib import Path

import gater
from gater import NewEvent
from gater.testing.server import GaterServer
from tests.examples.browsers import browser
from tests.examples.programs import EXAMPLES, program


def test_the_page_shows_what_is_there_and_what_comes(node: GaterServer, tmp_path: Path) -> None:
    with (
        gater.connect_sync(node.url) as api,
        program(str(EXAMPLES / "browser" / "serve.py"), "0", GATER_URL=node.url) as served,
    ):
        url = served.says(r"(http://\S+)")[1]

        def measure(*celsius: int) -> None:
            api.append_events("greenhouse", "bed-1", [NewEvent("Measured", {"celsius": one}) for one in celsius])

        measure(20, 21)
        api.append_events("greenhouse", "bed-1", [NewEvent("Watered", {"litres": 3})])
        with browser(url, tmp_path) as page:
            page.shows("following", ["Measured 20", "Measured 21"])
            measure(22)
            page.shows("following", ["Measured 20", "Measured 21", "Measured 22"])
            node.stop()
            page.shows("reconnecting", ["Measured 20", "Measured 21", "Measured 22"])
            node.start()
            measure(23)
            page.shows("following", ["Measured 20", "Measured 21", "Measured 22", "Measured 23"])
