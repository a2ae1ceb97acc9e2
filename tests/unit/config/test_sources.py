"""Where settings come from, and which place wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gater.config.settings import Settings
from gater.config.sources import load_settings
from gater.model.errors import MisconfiguredError


def write(folder: Path, text: str) -> Path:
    path = folder / "gater.toml"
    path.write_text(text)
    return path


def refusal(explicit: dict[str, Any] | None = None, **places: Any) -> MisconfiguredError:
    with pytest.raises(MisconfiguredError) as caught:
        load_settings(explicit, **{"environ": {}, **places})
    return caught.value


def test_nothing_given_gives_the_defaults() -> None:
    assert load_settings(environ={}) == Settings()


def test_argument_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = write(tmp_path, "port = 1\nmax_connections = 2\nmax_streams = 3")
    environ = {"GATER_PORT": "10", "GATER_MAX_CONNECTIONS": "20"}
    settings = load_settings({"port": 100, "max_streams": None}, file=file, environ=environ)
    assert (settings.port, settings.max_connections, settings.max_streams) == (100, 20, 3)
    assert settings.max_in_flight == Settings().max_in_flight


def test_explicit_false_counts_as_given() -> None:
    environ = {"GATER_ALLOW_ANONYMOUS": "true"}
    assert "nobody could call" in refusal({"allow_anonymous": False}, environ=environ).reason


def test_own_name_beats_the_older_one() -> None:
    assert load_settings(environ={"EXESDB_GATER_PORT": "1", "GATER_PORT": "2"}).port == 2
    assert load_settings(environ={"EXESDB_GATER_PORT": "1"}).port == 1


def test_file_is_named_by_the_environment_too(tmp_path: Path) -> None:
    file = write(tmp_path, 'stores = ["orders"]')
    assert load_settings(environ={"GATER_CONFIG": str(file)}).stores == ("orders",)


def test_file_holds_tokens(tmp_path: Path) -> None:
    file = write(tmp_path, '[[tokens]]\ntoken = "open-sesame"\nscopes = ["read"]\nstream_prefix = "order-"')
    (token,) = load_settings(file=file, environ={}).tokens
    assert (token.scopes, token.stream_prefix) == (("read",), "order-")


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("GATER_PORT", "0", 0),
        ("GATER_STORES", " orders, ,billing ", ("orders", "billing")),
        ("GATER_STORES", "", ()),
        ("GATER_ALLOW_ANONYMOUS", "true", True),
        ("GATER_DRAIN_TIMEOUT", "2.5", 2.5),
        ("GATER_DATA_DIR", "here", Path("here")),
        ("GATER_HOST", "localhost", "localhost"),
        ("GATER_SECRET_KEY_BASE", " a key = with, anything ", " a key = with, anything "),
        ("GATER_ALLOW_UNSIGNED", "true", True),
    ],
)
def test_text_of_the_environment_is_read_by_type(variable: str, text: str, value: Any) -> None:
    settings = load_settings(environ={variable: text})
    assert getattr(settings, variable.removeprefix("GATER_").lower()) == value


def test_tokens_in_the_environment_are_json() -> None:
    environ = {"GATER_TOKENS": '[{"token": "open-sesame", "scopes": ["read", "admin"]}]'}
    assert load_settings(environ=environ).tokens[0].scopes == ("read", "admin")


@pytest.mark.parametrize("text", ["", "TRUE", "True", "1", "0", "yes", "false ", " true"])
def test_boolean_is_exactly_true_or_false(text: str) -> None:
    error = refusal(environ={"GATER_ALLOW_ANONYMOUS": text})
    assert error.setting == "allow_anonymous"
    assert error.reason == f"must be a boolean, got: {text!r} (from GATER_ALLOW_ANONYMOUS)"


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1x", "0x10", "1_000", "1.0", "1e3", "+5", "٣", "--1"])
def test_number_is_nothing_but_its_digits(text: str) -> None:
    error = refusal(environ={"GATER_MAX_CONNECTIONS": text})
    assert error.reason == f"must be a positive integer, got: {text!r} (from GATER_MAX_CONNECTIONS)"


def test_text_given_as_an_argument_is_read_alike() -> None:
    assert load_settings({"port": "4002"}, environ={}).port == 4002
    assert refusal({"port": "4002x"}).setting == "port"


def test_the_older_variable_is_named_in_the_reason() -> None:
    assert "(from EXESDB_GATER_PORT)" in refusal(environ={"EXESDB_GATER_PORT": "many"}).reason


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    assert refusal({"prot": 1}).setting == "prot"
    file = write(tmp_path, "prot = 1")
    error = refusal(file=file)
    assert (error.setting, error.reason) == ("prot", f"there is no such setting (in {file})")


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(file=tmp_path / "none.toml").reason
    assert "gater.toml" in refusal(file=write(tmp_path, "port = ")).reason


def test_values_of_a_file_are_not_converted(tmp_path: Path) -> None:
    assert refusal(file=write(tmp_path, 'port = "4001"')).reason.endswith("got: '4001'")


def test_broken_tokens_of_the_environment_are_not_repeated() -> None:
    error = refusal(environ={"GATER_TOKENS": '[{"token": "open-sesame"'})
    assert error.setting == "tokens"
    assert "open-sesame" not in str(error)


def test_keys_come_from_the_environment() -> None:
    settings = load_settings(environ={"SECRET_KEY_BASE": "new", "GATER_PREVIOUS_SECRET_KEYS": "old, older"})
    assert (settings.secret_key_base, settings.previous_secret_keys) == ("new", ("old", "older"))
    assert load_settings(environ={"SECRET_KEY_BASE": "a", "GATER_SECRET_KEY_BASE": "b"}).secret_key_base == "b"


def test_a_key_of_other_programs_comes_after_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gater.toml"
    file.write_text('secret_key_base = "of the file"')

    def key(**environ: str) -> str | None:
        return load_settings(file=file, environ=environ).secret_key_base

    assert key(SECRET_KEY_BASE="of another program") == "of the file"
    assert key(GATER_SECRET_KEY_BASE="of the node") == "of the node"
    assert load_settings({"secret_key_base": "given"}, file=file, environ={"SECRET_KEY_BASE": "x"}) == load_settings(
        {"secret_key_base": "given"}, environ={}
    )


def test_an_empty_key_in_the_environment_hides_no_other(tmp_path: Path) -> None:
    file = tmp_path / "gater.toml"
    file.write_text('secret_key_base = "of the file"')
    empty = {"GATER_SECRET_KEY_BASE": "", "SECRET_KEY_BASE": ""}
    assert load_settings(file=file, environ=empty).secret_key_base == "of the file"
    assert load_settings(environ=empty).secret_key_base is None
    assert load_settings(environ={**empty, "SECRET_KEY_BASE": "real"}).secret_key_base == "real"


@pytest.mark.parametrize(
    ("said", "meant"), [("INFO", "info"), ("Warning", "warning"), ("WARN", "warning"), ("CRITICAL", "error")]
)
@pytest.mark.parametrize("variable", ["GATER_LOG_LEVEL", "LOG_LEVEL"])
def test_log_level_is_known_by_its_common_names(variable: str, said: str, meant: str) -> None:
    assert load_settings(environ={variable: said}).log_level == meant


def test_log_level_of_other_programs_is_passed_over_when_unknown(tmp_path: Path) -> None:
    assert load_settings(environ={"LOG_LEVEL": "20"}).log_level == "info"
    file = write(tmp_path, 'log_level = "error"')
    assert load_settings(file=file, environ={"LOG_LEVEL": "DEBUG"}).log_level == "error"
    assert refusal(environ={"GATER_LOG_LEVEL": "20"}).setting == "log_level"
