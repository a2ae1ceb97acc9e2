"""RPC over TLS: certificates are checked, and large answers arrive whole."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

import gater
from gater.client.connecting import connect
from gater.model.errors import StoreUnavailableError
from tests.integration.served import node

HERE = Path(__file__).parent / "certificates"
SERVER: dict[str, Any] = {"tls_cert": HERE / "server.pem", "tls_key": HERE / "server.key"}


def trusting(certificate: str | None = None) -> ssl.SSLContext:
    """A client's TLS that trusts the authority of the tests, and shows this certificate."""
    context = ssl.create_default_context(cafile=HERE / "ca.pem")
    if certificate is not None:
        context.load_cert_chain(HERE / f"{certificate}.pem", HERE / f"{certificate}.key")
    return context


async def test_events_travel_over_tls(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER) as running, connect(running.url, ssl_context=trusting()) as api:
        for number in range(20):
            await api.append_events("orders", "big", [gater.NewEvent("T", bytes([number]) * 500_000)])
        data = [event.data async for event in api.stream_all("orders")]
        assert data == [bytes([number]) * 500_000 for number in range(20)]


async def test_server_that_cannot_prove_who_it_is_is_not_talked_to(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER) as running, connect(running.url, timeout=0.5) as api:
        with pytest.raises(StoreUnavailableError, match=r"(?i)certificate.verify.failed"):
            await api.list_stores()


async def test_client_shows_its_certificate(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER, tls_client_ca=HERE / "ca.pem") as running:
        async with connect(running.url, ssl_context=trusting("client")) as api:
            assert len(await api.list_stores()) == 1
        async with connect(running.url, ssl_context=trusting(), timeout=0.5) as api:
            with pytest.raises(StoreUnavailableError):
                await api.list_stores()


async def test_plain_client_is_told_that_a_tls_server_does_not_answer_it(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER) as running, connect(running.url.replace("https", "http"), timeout=0.5) as api:
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            await api.list_stores()
