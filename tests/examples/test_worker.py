"""The worker: orders are handled side by side, SIGTERM lets what was begun finish, and nothing is done twice."""

from __future__ import annotations

import gater
from gater.testing.server import GaterServer
from tests.examples.programs import EXAMPLES, program


def test_a_worker_finishes_what_it_has_begun(shop: GaterServer) -> None:
    with gater.connect_sync(shop.url) as api:
        api.create_store("shop")
        for number in range(40):
            api.append_events("shop", f"order-{number}", [gater.NewEvent("OrderPlaced", {"total": number or -1})])
        command = str(EXAMPLES / "worker" / "send_invoices.py")
        with program(command, GATER_URL=shop.url, SENDING_SECONDS="0.3") as worker:
            worker.says("ready")
            worker.says("sent the invoice of order-1, attempt 1")
            assert worker.stop() == 0
            assert worker.process.stdout is not None
            sent = [line for line in (*worker.lines, *worker.process.stdout) if line.startswith("sent")]
        info = api.get_subscription("shop", "invoices")
        assert 8 <= len(sent) < 30
        assert (info.acked, info.in_flight, info.parked, info.consumers) == (len(sent), 0, 1, 0)
        with program(command, GATER_URL=shop.url, SENDING_SECONDS="0.001") as worker:
            worker.says("sent the invoice of order-39, attempt 1")
            assert worker.stop() == 0
            assert not [line for line in (*sent, *worker.lines) if "attempt 2" in line]
        assert api.get_subscription("shop", "invoices").acked == 39
