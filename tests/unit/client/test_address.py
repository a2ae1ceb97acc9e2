"""Addresses as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.client.address import parse_address
from gater.model.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("url", "rpc_url"),
    [
        ("http://localhost:4001", "ws://localhost:4001/rpc"),
        ("https://example.org", "wss://example.org/rpc"),
        ("http://example.org/", "ws://example.org/rpc"),
        ("ws://localhost:4001/rpc", "ws://localhost:4001/rpc"),
        ("wss://example.org/stores/gater/", "wss://example.org/stores/gater/rpc"),
        ("wss://example.org/gater/rpc/", "wss://example.org/gater/rpc"),
        ("localhost", "ws://localhost:4001/rpc"),
        ("127.0.0.1:9000", "ws://127.0.0.1:9000/rpc"),
        ("[::1]:9000", "ws://[::1]:9000/rpc"),
        ("http://[fe80::1]", "ws://[fe80::1]/rpc"),
        ("HTTP://LocalHost:80", "ws://localhost:80/rpc"),
    ],
)
def test_address_gives_the_place_of_its_rpc(url: str, rpc_url: str) -> None:
    assert parse_address(url).rpc_url == rpc_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "://host",
        "ftp://host",
        "http://host:port",
        "http://host:0",
        "host:70000",
        "http://ho st",
        "http://[::1",
        "http://user:secret@host",
        "http://host/?token=secret",
        "http://host/#top",
        "http://host/a b",
        "http://hôst",
        "host\r\nX: y",
        None,
        7,
        b"http://host",
    ],
)
def test_what_is_no_address_is_an_invalid_argument(url: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        parse_address(url)
    assert refused.value.argument == "url"


def test_address_is_shown_as_http() -> None:
    assert str(parse_address("wss://example.org:444/x")) == "https://example.org:444/x"


@given(st.text() | st.text("htps:/@[]?#%.0123456789", max_size=30).map(lambda text: f"http://{text}"))
def test_any_text_is_an_address_or_an_invalid_argument(url: str) -> None:
    try:
        address = parse_address(url)
    except InvalidArgumentError:
        return
    assert parse_address(str(address)) == address
    assert "\n" not in address.rpc_url
    assert "\r" not in address.rpc_url
