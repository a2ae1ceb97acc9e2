"""What settings accept, and what they say when they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gater.config.settings import FIELD_TYPES, Settings, doc_text, environment_names
from gater.config.tokens import Token
from gater.model.errors import MisconfiguredError
from gater.model.limits import Limits

TOKEN = Token(token="open-sesame", scopes=("read",))
KEY = "a-key-that-nobody-knows"


def test_defaults_serve_this_machine_only() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 4001, Path("data"))
    assert settings.max_connections == 1_000
    assert settings.limits == Limits()
    assert settings.anonymous


def test_text_and_lists_become_paths_and_tuples() -> None:
    given: dict[str, Any] = {"data_dir": "elsewhere", "stores": ["orders"], "drain_timeout": 3}
    settings = Settings(**given)
    assert settings.data_dir == Path("elsewhere")
    assert settings.stores == ("orders",)
    assert settings.drain_timeout == 3.0


@pytest.mark.parametrize(
    ("given", "setting", "words"),
    [
        ({"port": 70_000}, "port", "must be a valid port number (1-65535"),
        ({"port": -1}, "port", "got: -1"),
        ({"port": True}, "port", "got: True"),
        ({"port": "80"}, "port", "got: '80'"),
        ({"max_connections": 0}, "max_connections", "must be a positive integer, got: 0"),
        ({"max_stores": 1, "stores": ("a", "b")}, "stores", "must not be more than max_stores, 1"),
        ({"max_connections": 1.5}, "max_connections", "must be a positive integer"),
        ({"allow_anonymous": 1}, "allow_anonymous", "must be a boolean, got: 1"),
        ({"drain_timeout": -1}, "drain_timeout", "must be a number of seconds"),
        ({"drain_timeout": float("nan")}, "drain_timeout", "must be a number of seconds"),
        ({"drain_timeout": float("inf")}, "drain_timeout", "must be a number of seconds"),
        ({"log_level": "loud"}, "log_level", "must be debug, info, warning or error"),
        ({"log_format": "xml"}, "log_format", "must be text or json"),
        ({"host": ""}, "host", "must name an address"),
        ({"data_dir": ""}, "data_dir", "must be a path"),
        ({"data_dir": 5}, "data_dir", "must be a path"),
        ({"stores": ["or/ders"]}, "stores", "letters, digits"),
        ({"tls_cert": "cert.pem"}, "tls_key", "go together"),
        ({"tls_key": "key.pem"}, "tls_cert", "go together"),
        ({"tls_client_ca": "ca.pem"}, "tls_client_ca", "needs tls_cert"),
        ({"max_event_bytes": 2 << 20, "max_request_bytes": 1 << 20}, "max_event_bytes", "max_request_bytes"),
    ],
)
def test_wrong_value_is_refused_with_its_setting_and_reason(given: dict[str, Any], setting: str, words: str) -> None:
    with pytest.raises(MisconfiguredError) as caught:
        Settings(**given)
    assert caught.value.setting == setting
    assert words in caught.value.reason


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "node.example"])
def test_a_node_that_others_reach_needs_tokens_or_consent(host: str) -> None:
    with pytest.raises(MisconfiguredError, match="can be reached from elsewhere"):
        Settings(host=host)
    assert not Settings(host=host, tokens=(TOKEN,), secret_key_base=KEY).anonymous
    assert Settings(host=host, allow_anonymous=True, secret_key_base=KEY).anonymous


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "node.example"])
@pytest.mark.parametrize("key", [None, ""])
def test_a_node_that_others_reach_needs_a_key_or_consent(host: str, key: str | None) -> None:
    with pytest.raises(MisconfiguredError, match="give a key, or allow_unsigned = true") as caught:
        Settings(host=host, tokens=(TOKEN,), secret_key_base=key)
    assert caught.value.setting == "secret_key_base"
    assert not Settings(host=host, tokens=(TOKEN,), secret_key_base=KEY).unsigned
    assert Settings(host=host, tokens=(TOKEN,), secret_key_base=key, allow_unsigned=True).unsigned


def test_a_key_is_needed_where_unsigned_messages_are_not_allowed() -> None:
    with pytest.raises(MisconfiguredError, match="allow_unsigned is false"):
        Settings(allow_unsigned=False)
    assert not Settings(allow_unsigned=False, secret_key_base=KEY).unsigned


def test_an_empty_key_is_none() -> None:
    assert Settings(secret_key_base="").secret_key_base is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"previous_secret_keys": [KEY]}, "needs secret_key_base"),
        ({"secret_key_base": KEY, "previous_secret_keys": [""]}, "not empty"),
        ({"secret_key_base": KEY, "previous_secret_keys": KEY}, "array"),
    ],
)
def test_wrong_previous_keys_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(MisconfiguredError) as caught:
        Settings(**given)
    assert caught.value.setting == "previous_secret_keys"
    assert words in caught.value.reason
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_tokens_and_no_key(host: str) -> None:
    assert Settings(host=host).unsigned
    assert Settings(host=host).anonymous


def test_tokens_end_anonymity_unless_told_otherwise() -> None:
    assert not Settings(tokens=(TOKEN,)).anonymous
    assert Settings(tokens=(TOKEN,), allow_anonymous=True).anonymous


def test_nobody_could_call_is_refused() -> None:
    with pytest.raises(MisconfiguredError, match="nobody could call"):
        Settings(allow_anonymous=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scopes": ["read"]}, "either a token or its sha256"),
        ({"scopes": ["read"], "token": "long-enough", "sha256": "0" * 64}, "either a token or its sha256"),
        ({"scopes": ["read"], "token": "short"}, "8 or more visible"),
        ({"scopes": ["read"], "token": "with a space"}, "8 or more visible"),
        ({"scopes": ["read"], "sha256": "beef"}, "64 hexadecimal digits"),
        ({"scopes": [], "token": "long-enough"}, "each has scopes"),
        ({"token": "long-enough"}, "missing required field `scopes`"),
        ({"scopes": ["write"], "token": "long-enough"}, "'write'"),
        ({"scopes": ["read"], "token": "long-enough", "store": "orders"}, "unknown field `store`"),
    ],
)
def test_wrong_token_is_refused(given: dict[str, Any], words: str) -> None:
    tokens: Any = [given]
    with pytest.raises(MisconfiguredError) as caught:
        Settings(tokens=tokens)
    assert caught.value.setting == "tokens"
    assert words in caught.value.reason


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(Settings(tokens=(TOKEN,), secret_key_base=KEY, previous_secret_keys=[f"old-{KEY}"]))  # type: ignore[arg-type]
    assert "open-sesame" not in shown
    assert KEY not in shown
    assert "port=4001" in shown
    with pytest.raises(MisconfiguredError) as caught:
        Settings(tokens=({"token": "open-sesame", "scopes": "read"},))  # type: ignore[arg-type]
    assert "open-sesame" not in str(caught.value)


def test_token_and_its_sha256_have_the_same_digest() -> None:
    by_digest = Token(sha256=TOKEN.digest.hex().upper(), scopes=("read",))
    assert by_digest.digest == TOKEN.digest


@pytest.mark.parametrize("name", FIELD_TYPES)
def test_every_setting_has_a_line_of_documentation_and_a_variable(name: str) -> None:
    assert doc_text(name).endswith((".", ")."))
    assert environment_names(name)[0] == f"GATER_{name.upper()}"


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("port", "EXESDB_GATER_PORT"),
        ("max_connections", "EXESDB_GATER_MAX_CONNECTIONS"),
        ("data_dir", "EX_ESDB_DATA_DIR"),
        ("stores", "EX_ESDB_STORE_ID"),
        ("log_level", "LOG_LEVEL"),
        ("secret_key_base", "SECRET_KEY_BASE"),
    ],
)
def test_older_variable_names_are_aliases(name: str, alias: str) -> None:
    assert environment_names(name)[1:] == (alias,)
