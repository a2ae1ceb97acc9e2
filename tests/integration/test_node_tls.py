"""TLS, and TLS on both sides."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from gater.model.errors import MisconfiguredError
from tests.integration.served import client_of, node

HERE = Path(__file__).parent / "certificates"
SERVER: dict[str, Any] = {"tls_cert": HERE / "server.pem", "tls_key": HERE / "server.key"}


def trusting(*, certificate: str | None = None) -> ssl.SSLContext:
    """A client's TLS that trusts the authority of the tests, and shows this certificate."""
    context = ssl.create_default_context(cafile=HERE / "ca.pem")
    if certificate is not None:
        context.load_cert_chain(HERE / f"{certificate}.pem", HERE / f"{certificate}.key")
    return context


async def test_node_serves_tls(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER) as running:
        assert running.url.startswith("https://127.0.0.1:")
        async with client_of(running, verify=trusting()) as client:
            assert (await client.get("/v1/stores")).status_code == 200


async def test_client_needs_a_certificate_where_an_authority_is_named(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER, tls_client_ca=HERE / "ca.pem") as running:
        async with client_of(running, verify=trusting(certificate="client")) as client:
            assert (await client.get("/v1/stores")).status_code == 200
        async with client_of(running, verify=trusting()) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/v1/stores")


@pytest.mark.parametrize(
    "files",
    [
        {"tls_cert": HERE / "none.pem", "tls_key": HERE / "server.key"},
        {"tls_cert": HERE / "server.key", "tls_key": HERE / "server.key"},
        {"tls_cert": HERE / "server.pem", "tls_key": HERE / "client.key"},
        {**SERVER, "tls_client_ca": HERE / "none.pem"},
    ],
)
async def test_certificate_that_cannot_be_used_is_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(MisconfiguredError, match="cannot be used") as caught:
        async with node(tmp_path, **files):
            pass
    assert caught.value.setting.startswith("tls_")
