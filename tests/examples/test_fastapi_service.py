"""The FastAPI service: its projection answers, its consumer packs, and both end in good order on SIGTERM."""

from __future__ import annotations

import signal
import time

import httpx

import gater
from gater.testing.server import GaterServer
from tests.examples.programs import EXAMPLES, program


def test_a_service_projects_consumes_and_stops(shop: GaterServer) -> None:
    with gater.connect_sync(shop.url) as api:
        api.create_store("shop")
        command = ["-m", "uvicorn", "--app-dir", str(EXAMPLES / "fastapi_service"), "--port", "0", "shop:app"]
        with program(*command, GATER_URL=shop.url) as service:
            address = service.says(r"running on (http://\S+)")[1]
            with httpx.Client(base_url=address, trust_env=False, timeout=20.0) as client:
                order = {"customer": "ada", "total": 12}
                assert [client.put(f"/orders/{number}", json=order).status_code for number in (1, 2, 1)] == [
                    201,
                    201,
                    409,
                ]
                deadline = time.monotonic() + 20
                while client.get("/orders/2").json() != ["OrderPlaced", "OrderPacked"]:
                    assert time.monotonic() < deadline
                while client.get("/customers/ada").json() != {"total": 24}:
                    assert time.monotonic() < deadline
                assert client.get("/orders/3").status_code == 404
            assert service.stop() == -signal.SIGTERM  # uvicorn ends itself by the signal when all is done
            assert service.process.stdout is not None
            assert "stopped\n" in service.process.stdout.read()
        info = api.get_subscription("shop", "packing")
        assert (info.acked, info.in_flight, info.redelivered, info.consumers) == (2, 0, 0, 0)
