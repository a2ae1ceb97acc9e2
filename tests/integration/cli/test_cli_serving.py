"""`gater serve`, `gater demo`, and what all commands have in common."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import gater
from gater.cli.setting_flags import NOT_FLAGS
from gater.config.settings import Settings
from gater.testing.server import GaterServer
from gater.testing.server_process import ServerError
from tests.integration.cli.runs import PROGRAM, piped, typed

SEEN = re.compile(r'SEEN \["greenhouse[1-3]:[a-z_]+:v1 \(v\d+\) => \{.+\}"\]').fullmatch
SUMMARY = re.compile(r"([\d,]+) events appended, ([\d,]+) seen in [\d.]+ s: [\d.,]+ events per second").fullmatch


def test_version_is_the_package_version() -> None:
    assert typed("--version").out == f"gater {gater.__version__}\n"


def test_help_lists_every_command() -> None:
    shown = typed("--help")
    assert shown.code == 0
    for name in ("serve", "demo", "bench", "append", "read", "subscribe", "export", "import", "stores", "streams"):
        assert f" {name} " in shown.out
    for name in ("snapshots", "status", "verify", "backup", "consume", "subscriptions"):
        assert f" {name} " in shown.out


@pytest.mark.parametrize(
    "arguments", [["nope"], ["stores", "nope"], ["read"], ["read", "s", "--nope"], ["streams", "delete"]]
)
def test_what_is_no_command_is_a_usage_error(arguments: list[str]) -> None:
    refused = typed(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "Usage:" in refused.err


def test_every_setting_but_secrets_has_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = typed("serve", "--help").out
    flags = {name.removeprefix("--").replace("-", "_") for name in re.findall(r"--[a-z-]+", shown)}
    settings = {field.name for field in msgspec.structs.fields(Settings)} - NOT_FLAGS - {"stores"}
    assert settings | {"store", "config"} <= flags


def test_a_server_tells_its_url_and_ends_with_0_when_asked(tmp_path: Path) -> None:
    command = [*PROGRAM, "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), "--store", "a", "--store", "b"]
    for stop in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found is not None, line
            listed = typed("--url", found[0], "stores", "list", "--json").document
            assert [info["store"]["store_id"] for info in listed] == ["a", "b"]
            process.send_signal(stop)
            assert process.wait(20) == 0
            assert process.stdout.read() == ""


def test_settings_come_from_flags_then_environment_then_file(tmp_path: Path) -> None:
    settings = tmp_path / "gater.toml"
    settings.write_text('stores = ["from-file"]\nmax_event_bytes = 100\n')
    with GaterServer(["from-flag"], arguments=["--config", str(settings)]) as running:
        listed = typed("--url", running.url, "stores", "list", "--json").document
        assert [info["store"]["store_id"] for info in listed] == ["from-flag"]
        refused = typed("--url", running.url, "append", "from-flag", "s", "t", '"' + "x" * 200 + '"')
        assert refused.err.startswith("event_too_large: ")


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (["--port", "abc"], "port"),
        (["--port", "70000"], "port"),
        (["--host", "0.0.0.0", "--allow-unsigned", "true"], "tokens"),
        (["--store", "a/b"], "stores"),
        (["--allow-anonymous", "maybe"], "allow_anonymous"),
        (["--tls-cert", "x.pem"], "tls_key"),
        (["--config", "nowhere.toml"], "config"),
    ],
)
def test_a_wrong_setting_is_a_usage_error_that_names_it(arguments: list[str], setting: str) -> None:
    refused = typed("serve", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"misconfigured: {setting}: ")


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_taken_port_is_said_clearly(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = piped(command, "--port", port, "--data-dir", str(tmp_path))
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith("misconfigured: port: cannot listen on 127.0.0.1 port " + port)
    assert failed.err.count("\n") == 1


def test_a_folder_that_a_server_has_open_is_refused(server: GaterServer) -> None:
    typed("--url", server.url, "stores", "create", "mine")
    failed = piped("--data-dir", str(server.data_dir), "status", "--json")
    assert failed.code == 1
    assert failed.error["code"] == "store_unavailable", "and nothing else is on stderr"
    assert failed.error["details"]["reason"] == "another process has it open"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://name.invalid", "127.0.0.1:1"])
def test_a_server_that_is_not_there_is_said_with_what_to_do(url: str) -> None:
    failed = typed("--url", url, "status")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith(f"store_unavailable: No server answers at {url} (")
    assert "gater serve" in failed.err
    assert "--data-dir" in failed.err


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:port", "http://a b", "http://host:99999"])
def test_what_is_no_url_is_refused(url: str) -> None:
    failed = typed("--url", url, "status", "--json")
    assert failed.code == 1
    assert failed.error["details"]["argument"] == "url"


def test_where_is_said_before_or_after_the_command_or_in_the_environment(
    server: GaterServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATER_URL", "http://127.0.0.1:1")
    assert typed("status").code == 1
    assert typed("status", "--url", server.url).code == 0
    assert typed("--url", server.url, "status").code == 0
    assert typed("--url", "http://127.0.0.1:1", "status", "--url", server.url).code == 0
    assert typed("--data-dir", "/nowhere", "status", "--url", server.url).code == 0
    assert typed("--url", server.url, "--data-dir", str(tmp_path), "status").code == 2
    assert typed("status", "--url", server.url, "--data-dir", str(tmp_path)).code == 2
    assert typed("--data-dir", str(tmp_path), "status").code == 0
    monkeypatch.setenv("GATER_URL", server.url)
    assert typed("status").code == 0


def test_a_folder_that_is_not_there_is_made_only_for_a_new_store(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    failed = typed("--data-dir", str(folder), "status")
    assert failed.err.startswith("invalid_argument: data_dir: an existing folder")
    assert not folder.exists()
    assert typed("--data-dir", str(folder), "stores", "create", "s").code == 0


def test_tokens_are_asked_for_and_taken(tmp_path: Path) -> None:
    settings = tmp_path / "gater.toml"
    settings.write_text('[[tokens]]\ntoken = "secret-reader"\nscopes = ["read"]\n')
    with GaterServer(["s"], arguments=["--config", str(settings)]) as running:
        assert typed("--url", running.url, "read", "s").err.startswith("unauthenticated: ")
        assert typed("--url", running.url, "--token", "secret-nobody", "read", "s").err.startswith("unauthenticated: ")
        assert typed("--url", running.url, "--token", "secret-reader", "read", "s").code == 0
        refused = typed("--url", running.url, "--token", "secret-reader", "append", "s", "a", "t", "1")
        assert refused.err.startswith("permission_denied: ")


def test_the_demo_ends_by_itself_and_sums_up(tmp_path: Path) -> None:
    options = ["--seconds", "0.7", "--port", "0", "--producers", "3", "--data-dir", str(tmp_path / "data")]
    done = piped("demo", *options)
    assert done.code == 0, done.err
    assert done.err == ""
    lines = done.out.splitlines()
    seen = [line for line in lines if line.startswith("SEEN")]
    assert all(SEEN(line) for line in seen)
    assert "initialized:v1 (v0)" in seen[0]
    summary = SUMMARY(lines[-1])
    assert summary is not None
    assert int(summary[1]) == int(summary[2]) == len(seen) >= 3
    assert "/docs" in done.out
    again = piped("demo", *options)
    assert "initialized" not in again.out


def test_ctrl_c_ends_the_demo_with_its_summary(tmp_path: Path) -> None:
    command = [*PROGRAM, "demo", "--port", "0", "--data-dir", str(tmp_path / "data")]
    for stop in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            while not process.stdout.readline().startswith("SEEN"):
                assert process.poll() is None
            process.send_signal(stop)
            rest = process.stdout.read().splitlines()
            assert process.wait(10) == 0
            assert SUMMARY(rest[-1])
            assert process.stderr.read() == ""


@pytest.mark.parametrize("options", [["--producers", "0"], ["--seconds", "-1"], ["--port", "x"], ["--nope"]])
def test_the_demo_typed_wrongly_is_a_usage_error(options: list[str]) -> None:
    assert typed("demo", *options).code == 2


def test_a_test_server_keeps_files_and_port_over_a_kill() -> None:
    with GaterServer(["s"]) as running:
        url = running.url
        assert typed("--url", url, "append", "s", "a", "t", "1").code == 0
        running.kill()
        running.start()
        assert running.url == url
        assert len(typed("--url", url, "read", "s", "--json").lines) == 1
        folder = running.data_dir
        assert running.stop() == 0
    assert not folder.exists()


async def test_a_test_server_as_an_async_context() -> None:
    async with GaterServer(["s"]) as running, gater.connect(running.url) as api:
        assert (await api.get_store_status("s")).state == "running"


def test_a_test_server_that_cannot_start_tells_why() -> None:
    with pytest.raises(ServerError, match="misconfigured: port"), GaterServer(arguments=["--port", "abc"]):
        pass


def test_the_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "gater", "--version"], capture_output=True, text=True, timeout=30)
    assert done.stdout == f"gater {gater.__version__}\n"
