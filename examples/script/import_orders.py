"""Import orders from a CSV file, and print what each customer has ordered.

    python examples/script/import_orders.py orders.csv data/
    python examples/script/import_orders.py orders.csv http://127.0.0.1:4001

A script without `async`, on a folder of its own or on a node. It can be run again: an order has the same event id each
time, so that what is there already is not appended twice.
"""

from __future__ import annotations

import contextlib
import csv
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import gater

STORE: Final = "orders"
ORDERS: Final = uuid.UUID("9b6b4c1e-3f0f-4d0a-9d7e-0a3a5d1c7b11")
"""Namespace of the event ids."""


def open_store(place: str) -> gater.BlockingGaterApi:
    """The API at an address, or on a folder."""
    if "://" not in place:
        return gater.open_sync(place, stores=[STORE])
    api = gater.connect_sync(place)
    with contextlib.suppress(gater.AlreadyExistsError):
        api.create_store(STORE)
    return api


def orders_of(path: Path) -> Iterator[tuple[str, gater.NewEvent]]:
    """The stream and the event of each line `order,customer,total`."""
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            data = {"customer": line["customer"], "total": int(line["total"])}
            yield (
                f"order-{line['order']}",
                gater.NewEvent("OrderPlaced", data, event_id=uuid.uuid5(ORDERS, line["order"])),
            )


def main(path: str, place: str) -> None:
    """Import a file and print the totals."""
    totals: Counter[str] = Counter()
    with open_store(place) as api:
        for stream, placed in orders_of(Path(path)):
            api.append_events(STORE, stream, [placed], expected_version=gater.NO_STREAM)
        for event in api.stream_all(STORE):
            if event.event_type == "OrderPlaced":
                totals[event.data["customer"]] += event.data["total"]
    for customer, total in totals.most_common():
        print(f"{customer}: {total}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: import_orders.py FILE.csv FOLDER|URL")
    main(*sys.argv[1:])
