"""What no path reaches: names that clients and proxies take out of it, empty segments, a trailing slash."""

from __future__ import annotations

import asyncio
import itertools
import json
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import pytest

import gater
from gater.server.app import ROUTES
from tests.integration.raw_http import code, connected
from tests.integration.served import ORDERS, append, client_of, failure, node, served

DOTS = (".", "..", "%2E", "%2e%2e", "%2E%2E", ".%2e", "%2E.")
SAFE = ("GET", "HEAD", "OPTIONS")


def merged(path: str) -> str:
    return re.sub("/+", "/", path)


def without_dots(path: str) -> str:
    """The path as RFC 3986 (5.2.4) resolves it, a trailing slash and empty segments kept."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment.lower().replace("%2e", ".") in (".", ".."):
            if ".." in segment.lower().replace("%2e", ".") and kept:
                kept.pop()
            if last:
                kept.append("")
        else:
            kept.append(segment)
    return "/" + "/".join(kept)


NORMALISATIONS: tuple[Callable[[str], str], ...] = (
    lambda path: path,
    without_dots,
    lambda path: merged(without_dots(path)),
    lambda path: merged(without_dots(path)).rstrip("/"),
    # A proxy that decodes a path before it resolves it, and encodes it again.
    lambda path: quote(posixpath.normpath(merged(unquote(path)))),
)
"""What clients and proxies make of a path."""

NASTY = ("", ".", "..", "../..", "../../..", "../snapshots/a/b/3", "../subscriptions/7", "../streams/7", "a/", "/")
"""Names that a caller may be given by others."""
LIKELY = ("orders", "streams", "subscriptions", "snapshots", "events", "parked", "7", "3")
"""Names that other routes have at the same place."""


def changing_requests() -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Name, method, path and values of each request to a route that changes something, with one or two nasty names."""
    for route in ROUTES:
        (method,), (template,) = route.http_methods, route.paths
        if method in SAFE:
            continue
        fields = [name for name in re.findall(r"{(\w+):str}", template) if name not in ("store", "instance")]
        for field in fields:
            for name, other in itertools.product(NASTY, LIKELY):
                values = dict.fromkeys(fields, other) | {field: name, "store": "orders", "instance": "events"}
                yield route.handler_name, method, filled(template, values), values
        if len(fields) > 1:
            for name in NASTY:
                values = dict.fromkeys(fields, name) | {"store": "orders", "version": "7"}
                yield route.handler_name, method, filled(template, values), values


def filled(template: str, values: dict[str, str]) -> str:
    return re.sub(r"{(\w+):str}", lambda found: quote(values[found[1]], safe=""), template)


def matched(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """The route that a path names, and what it finds in it."""
    for route in ROUTES:
        (template,) = route.paths
        found = re.fullmatch(re.sub(r"{(\w+):str}", r"(?P<\1>[^/]+)", template), path)
        if found and method in route.http_methods:
            return route.handler_name, {name: unquote(value) for name, value in found.groupdict().items()}
    return None


async def test_normalised_path_changes_nothing_but_what_was_meant(tmp_path: Path) -> None:
    tried = set()
    async with node(tmp_path, stores=("orders", "7", "streams")) as running, client_of(running) as client:
        for store, stream in itertools.product(("orders", "7", "streams"), LIKELY):
            await append(client, stream, "T", store=store)
            path = f"/v1/stores/{store}/subscriptions/{stream}"
            assert (await client.put(path, json={"selector": {"by_stream": "$all"}})).status_code == 200
            path = f"/v1/stores/{store}/snapshots/a/b/3"
            assert (await client.put(path, json={"data": 1})).status_code == 200
        before = await facts(client)
        async with connected(running.url) as connection:
            for handler, method, path, values in changing_requests():
                for normalise in NORMALISATIONS:
                    sent = normalise(path)
                    target = matched(method, sent)
                    if target is None or target[0] == handler:
                        continue
                    name = values.get("stream_id") or values.get("name")
                    query = f"?confirm={quote(name, safe='')}" if method == "DELETE" and name else ""
                    tried.add((handler, target[0]))
                    status, _ = await connection.request(method, sent + query, "Content-Length: 0")
                    assert status in (400, 404, 405), (handler, method, path, sent)
        assert await facts(client) == before
    assert {("delete_stream", "remove_store"), ("delete_snapshot", "delete_stream")} <= tried
    assert ("delete_snapshot", "remove_subscription") in tried


async def facts(client: httpx.AsyncClient) -> object:
    """What the stores hold."""
    found = []
    for store in (await client.get("/v1/stores")).json()["stores"]:
        path = f"/v1/stores/{store['store']}"
        parts = ("streams", "subscriptions", "snapshots", "events")
        found.append([(await client.get(f"{path}/{part}")).json() for part in parts])
    return found


@pytest.mark.parametrize("dots", DOTS)
async def test_dots_are_no_name_in_a_path(tmp_path: Path, dots: str) -> None:
    paths = (
        ("DELETE", f"{ORDERS}/streams/{dots}?confirm=.."),
        ("DELETE", f"{ORDERS}/subscriptions/{dots}?confirm=.."),
        ("DELETE", f"{ORDERS}/snapshots/{dots}/{dots}/7"),
        ("DELETE", f"{ORDERS}/snapshots/{dots}/streams/7"),
        ("DELETE", f"{ORDERS}/streams/x/{dots}/{dots}?confirm=orders"),
        ("DELETE", f"/v1/stores/{dots}?confirm=orders"),
        ("GET", f"{ORDERS}/streams/{dots}/events"),
        ("GET", f"{ORDERS}/streams/{dots}/version"),
        ("POST", f"{ORDERS}/streams/{dots}/events"),
        ("PUT", f"{ORDERS}/subscriptions/{dots}"),
        ("PUT", f"{ORDERS}/snapshots/a/{dots}/7"),
        ("POST", f"/v1/pubsub/{dots}/publish"),
    )
    async with node(tmp_path) as running, connected(running.url) as connection:
        for method, target in paths:
            answer = await connection.request(method, target, "Content-Length: 0")
            assert code(answer) == (400, "invalid_argument"), (method, target)
            assert answer[1]["error"]["details"]["argument"] == "path"
        assert (await connection.request("GET", ORDERS))[0] == 200


@pytest.mark.parametrize(
    "target",
    [
        f"{ORDERS}/",
        f"/{ORDERS}",
        "/v1//stores/orders",
        "//v1/stores/orders",
        f"{ORDERS}/streams/?confirm=orders",
        f"{ORDERS}/streams//?confirm=",
        f"{ORDERS}//streams/s",
        f"{ORDERS}/streams//s?confirm=s",
        f"{ORDERS}/streams/s/?confirm=s",
        f"{ORDERS}/subscriptions//billing?confirm=billing",
        f"{ORDERS}/snapshots//b/3",
    ],
)
async def test_empty_segment_leads_nowhere(tmp_path: Path, target: str) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        await append(client, "s", "T")
        async with connected(running.url) as connection:
            for method in ("DELETE", "GET", "PUT", "POST"):
                answer = await connection.request(method, target, "Content-Length: 0")
                assert code(answer) == (404, "not_found"), (method, target)
        assert (await client.get(f"{ORDERS}/streams/s/version")).json() == {"version": 0}


@pytest.mark.parametrize("name", ["..", ".", "%2E%2E", "%2e%2e", "../", "", "../../orders"])
async def test_client_that_resolves_paths_removes_no_store(tmp_path: Path, name: str) -> None:
    async with served(tmp_path) as client:
        await append(client, "s", "T")
        for kind in ("streams", "subscriptions", "snapshots/a", "snapshots"):
            for query in ("", "?confirm=..", "?tombstone=true"):
                answer = await client.delete(f"{ORDERS}/{kind}/{name}{query}")
                assert answer.status_code in (400, 404, 405), str(answer.request.url)
        assert (await client.get(f"{ORDERS}/events")).json()["events"] != []


async def test_curl_removes_no_store(tmp_path: Path) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        await append(client, "s", "T")
        for name, option in itertools.product(DOTS, ((), ("--path-as-is",))):
            url = f"{running.url}{ORDERS}/streams/{name}?confirm=.."
            arguments = ("-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE", *option, url)
            curl = await asyncio.create_subprocess_exec("curl", *arguments, stdout=asyncio.subprocess.PIPE)
            out, _ = await curl.communicate()
            assert out.decode() in ("400", "404")
        assert (await client.get(f"{ORDERS}/events")).json()["events"] != []


async def test_what_is_deleted_is_named_twice(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a%2Fb", "T")
        billing = f"{ORDERS}/subscriptions/billing"
        assert (await client.put(billing, json={"selector": {"by_stream": "$all"}})).status_code == 200
        for path, name in ((f"{ORDERS}/streams/a%2Fb", "a/b"), (billing, "billing"), (ORDERS, "orders")):
            for wrong in ({}, {"confirm": ""}, {"confirm": "other"}, {"confirm": "true"}):
                answer = await client.delete(path, params=wrong)
                assert failure(answer, 400, "invalid_argument")["argument"] == "confirm"
            assert (await client.get(f"{ORDERS}/streams/a%2Fb/version")).json() == {"version": 0}
            assert (await client.delete(path, params={"confirm": name})).status_code in (200, 204)
        failure(await client.get(ORDERS), 404, "store_not_found")


async def test_query_that_deleting_a_snapshot_does_not_have_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        path = f"{ORDERS}/snapshots/a/b/3"
        assert (await client.put(path, json={"data": 1})).status_code == 200
        failure(await client.delete(path, params={"confirm": "../snapshots/a/b/3"}), 400, "invalid_argument")
        assert (await client.get(path)).status_code == 200
        assert (await client.delete(path)).status_code == 204


@pytest.mark.parametrize("name", [".", ".."])
async def test_streams_that_are_called_by_dots_are_reached_outside_of_paths(tmp_path: Path, name: str) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        body = {"appends": [{"stream_id": name, "events": [{"event_type": "T"}]}]}
        assert (await client.post(f"{ORDERS}/append", json=body)).status_code == 201
        where = {"where": json.dumps({"by_stream": name})}
        (event,) = (await client.get(f"{ORDERS}/events", params=where)).json()["events"]
        assert event["stream_id"] == name
        async with gater.connect(running.url) as api:
            assert [event.stream_id for event in await api.get_events("orders", name)] == [name]
            await api.delete_stream("orders", name)
            assert await api.get_streams("orders") == []


async def test_names_that_only_look_like_dots_stand_in_paths(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for name in ("...", "..a", "a..", ".a", "%252E%252E", "..%2Fa", "%20..", "a%2F..%2Fb"):
            await append(client, name, "T")
            assert (await client.get(f"{ORDERS}/streams/{name}/version")).json() == {"version": 0}
            assert (await client.delete(f"{ORDERS}/streams/{name}?confirm={name}")).status_code == 200
        assert (await client.get(ORDERS)).status_code == 200
