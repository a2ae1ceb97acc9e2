"""A shop as Flask views: place an order, pay it, look at it.

    gater serve &
    gunicorn --config examples/flask_gunicorn/gunicorn.conf.py --chdir examples/flask_gunicorn shop:app

The client is made, and used, when the module is imported: with `--preload` that is before the workers are forked. Each
worker connects for itself when it first calls, and all its threads share that connection.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from flask import Flask, Response, jsonify, request

import gater

STORE: Final = "shop"

app = Flask(__name__)
events = gater.connect_sync(os.environ.get("GATER_URL", "http://127.0.0.1:4001"))
with contextlib.suppress(gater.AlreadyExistsError):
    events.create_store(STORE)


@app.post("/orders/<order>")
def place(order: str) -> Response:
    """Place an order; 409 when there is one of that number."""
    placed = gater.NewEvent("OrderPlaced", {"total": int(request.form["total"])})
    events.append_events(STORE, f"order-{order}", [placed], expected_version=gater.NO_STREAM)
    return jsonify(version=0)


@app.post("/orders/<order>/payment")
def pay(order: str) -> Response:
    """Pay an order, unless it has changed since `version`."""
    paid = gater.NewEvent("OrderPaid", {})
    result = events.append_events(STORE, f"order-{order}", [paid], expected_version=int(request.form["version"]))
    return jsonify(version=result.version)


@app.get("/orders/<order>")
def show(order: str) -> Response:
    """The history of an order."""
    found = events.get_events(STORE, f"order-{order}")
    return jsonify([event.event_type for event in found])


@app.errorhandler(gater.ConflictError)
def conflict(error: gater.ConflictError) -> tuple[Response, int]:
    """Another was quicker."""
    return jsonify(code=error.code, reason=error.message), 409


@app.errorhandler(gater.TransientError)
def unavailable(error: gater.TransientError) -> tuple[Response, int]:
    """It may work later."""
    return jsonify(code=error.code, reason=error.message), 503
