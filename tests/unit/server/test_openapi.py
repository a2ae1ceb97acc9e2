"""The description of the HTTP API, and its page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from gater import __version__
from gater.server.app import ROUTES
from gater.server.docs_page import docs_page
from gater.server.openapi import openapi_document
from gater.wire.errors import ERRORS


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document(ROUTES)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_described(document: dict[str, Any]) -> None:
    assert len(operations(document)) == len(ROUTES)
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["tags"]
        assert set(operation["responses"]) >= {"default"}


def test_operations_are_named_once(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_parameters_of_the_path_are_described(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        described = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", path))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r"'\$ref': '#/components/(\w+)/(\w+)'", str(document)):
        kind, name = reference
        assert name in document["components"][kind]


def test_errors_are_listed_with_their_codes(document: dict[str, Any]) -> None:
    text = document["components"]["responses"]["Error"]["description"]
    for code in ERRORS:
        assert f"`{code}`" in text


def test_version_is_the_packages(document: dict[str, Any]) -> None:
    assert document["info"]["version"] == __version__


class Page(HTMLParser):
    """Collects what a page loads and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img", "iframe"):
            self.loads.append(tag)
        if "src" in given or (given.get("href") or "/").startswith(("http", "//")):
            self.loads.append(str(given))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_lists_every_route_and_loads_nothing(document: dict[str, Any]) -> None:
    page = Page()
    page.feed(docs_page(document))
    assert page.loads == []
    for path, method, operation in operations(document):
        assert path in page.text
        assert method.upper() in page.text
        assert operation["summary"].replace("`", "") in page.text


def test_page_escapes_what_it_shows(document: dict[str, Any]) -> None:
    assert "<script" not in docs_page({**document, "info": {**document["info"], "description": "<script>"}})
