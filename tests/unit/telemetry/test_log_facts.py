"""Facts of log lines are there for applications that configure logging by themselves."""

from __future__ import annotations

import io
import logging

from gater.telemetry.logs import TextFormatter, record_fields


def test_facts_are_printed_by_the_formatter_that_is_documented() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
    log = logging.getLogger("gater.gateway.of_an_application")
    log.addHandler(handler)
    try:
        log.warning("a store cannot be opened", extra={"store": "orders", "reason": "no permission"})
    finally:
        log.removeHandler(handler)
    assert stream.getvalue().endswith('a store cannot be opened store=orders reason="no permission"\n')


def test_a_formatter_of_an_application_gets_the_facts() -> None:
    record = logging.makeLogRecord({"msg": "a store cannot be opened", "store": "orders"})
    assert record_fields(record) == {"store": "orders"}
