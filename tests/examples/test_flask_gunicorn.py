"""The Flask views under `gunicorn --preload`: workers that were forked after the client was used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from gater.testing.server import GaterServer
from tests.examples.programs import EXAMPLES, program

FOLDER = EXAMPLES / "flask_gunicorn"


def test_workers_that_were_forked_with_a_client_answer(shop: GaterServer) -> None:
    command = ["-m", "gunicorn", "--config", str(FOLDER / "gunicorn.conf.py"), "--chdir", str(FOLDER)]
    with program(*command, "--bind", "127.0.0.1:0", "shop:app", GATER_URL=shop.url) as gunicorn:
        address = gunicorn.says(r"Listening at: (http://\S+)")[1]
        workers = {gunicorn.says(r"Booting worker with pid: (\d+)")[1] for _ in range(2)}
        assert len(workers) == 2
        with httpx.Client(base_url=address, trust_env=False, timeout=20.0) as client, ThreadPoolExecutor(8) as pool:

            def post(path: str, **form: int) -> int:
                return client.post(path, data=form, headers={"connection": "close"}).status_code

            placed = pool.map(lambda order: post(f"/orders/{order % 20}", total=12), range(40))
            assert sorted(placed) == [200] * 20 + [409] * 20
            assert [post("/orders/1/payment", version=version) for version in (0, 0, 1)] == [200, 409, 200]
            assert client.get("/orders/1").json() == ["OrderPlaced", "OrderPaid", "OrderPaid"]
        assert gunicorn.stop() == 0
