"""The server keeps to its own description, whatever it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from gater.api import arguments
from gater.node import Node
from gater.server.app import ROUTES
from gater.server.openapi import openapi_document
from tests.integration.node_thread import node_in_thread
from tests.integration.served import ORDERS


def wrong_data_is_refused(context: Any, response: Any, case: Any) -> bool | None:
    """Refuse what the description does not allow; with 413, too, which schemathesis does not expect of a long list."""
    return None if response.status_code == 413 else negative_data_rejection(context, response, case)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    wrong_data_is_refused,
    unsupported_method,
]
ENDLESS = ("subscribe", "listen")
NOT_JSON = "import_events"
LONGEST_WAIT = 0.01
REMOVING = ("remove_store", "remove_subscription")


def described() -> dict[str, Any]:
    """The description, with names of a store and a subscription that are there, except where one is made or removed."""
    document = openapi_document(ROUTES)
    # To wait for an event that never comes is right, and slow.
    document["components"]["schemas"]["PullBody"]["properties"]["wait"]["maximum"] = LONGEST_WAIT
    for methods in document["paths"].values():
        for operation in methods.values():
            # To wait for a position that never comes is right, and slow.
            parameters = [each for each in operation["parameters"] if each["name"] != "after_position"]
            operation["parameters"] = parameters
            for parameter in parameters:
                if parameter["name"] == "store" and operation["operationId"] not in REMOVING:
                    parameter["schema"] = {"enum": ["orders"]}
                if parameter["name"] == "name" and operation["operationId"] not in ("save_subscription", *REMOVING):
                    parameter["schema"] = {"enum": ["billing"]}
    return document


schema = schemathesis.openapi.from_dict(described()).exclude(operation_id=[*ENDLESS, NOT_JSON])


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node for each operation, so that none meets the stores that another made."""
    monkeypatch.setattr(arguments, "LONGEST_WAIT", LONGEST_WAIT)
    with node_in_thread(tmp_path) as node:
        saved = httpx.put(f"{node.url}{ORDERS}/subscriptions/billing", json={"selector": {"by_stream": "$all"}})
        assert saved.status_code == 200
        yield node


@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case: Case[Any], running: Node) -> None:
    case.call_and_validate(base_url=running.url, checks=CHECKS)
