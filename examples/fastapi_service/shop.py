"""A shop as a FastAPI service: a projection that answers queries, and a consumer that packs what was ordered.

    gater serve --store shop &
    uvicorn --app-dir examples/fastapi_service shop:app

The projection is a table in memory: it follows the store from the beginning at each start, and the service answers when
it has caught up. The consumer is a durable subscription: however many instances run, each order is packed by one of
them. On SIGTERM uvicorn lets the requests finish, then both are stopped: what is being packed is finished first.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import gater

STORE: Final = "shop"
PACKING: Final = "packing"


class Orders:
    """The orders by customer: a projection of the events, for queries."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.caught_up = asyncio.Event()

    async def follow(self, subscription: gater.Subscription[gater.Event | gater.Notice]) -> None:
        """Take in every event, until the subscription is stopped."""
        async for item in subscription:
            if isinstance(item, gater.Notice):
                self.caught_up.set()
            elif item.event_type == "OrderPlaced":
                self.totals[item.data["customer"]] += item.data["total"]


class Shop:
    """The state that the views share."""

    def __init__(self, api: gater.GaterApi) -> None:
        self.api = api
        self.orders = Orders()

    async def pack(self, delivery: gater.Delivery) -> None:
        """Pack an order once: when it is delivered again, it is packed already."""
        packed = gater.NewEvent("OrderPacked", {"by": os.getpid()})
        order, version = delivery.event.stream_id, delivery.event.version
        try:
            await self.api.append_events(STORE, order, [packed], expected_version=version)
        except gater.WrongExpectedVersionError:
            return


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """Projection and consumer begin before the first request, and end after the last one."""
    async with gater.connect(os.environ.get("GATER_URL", "http://127.0.0.1:4001")) as api:
        shop = app.state.shop = Shop(api)
        await api.save_subscription(STORE, "by_event_type", "OrderPlaced", PACKING)
        subscription, consumer = api.subscribe(STORE, notices=True), api.consumer(STORE, PACKING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(shop.orders.follow(subscription))
            tasks.create_task(consumer.run(shop.pack, concurrency=4))
            await shop.orders.caught_up.wait()
            yield
            await consumer.stop()
            await subscription.stop()
    print("stopped", flush=True)


def shop_of(request: Request) -> Shop:
    """The shop of this instance."""
    shop: Shop = request.app.state.shop
    return shop


TheShop = Annotated[Shop, Depends(shop_of)]
app = FastAPI(lifespan=lifespan)


class Order(BaseModel):
    """The body of an order."""

    customer: str
    total: int


@app.put("/orders/{order}", status_code=201)
async def place(order: str, body: Order, shop: TheShop) -> dict[str, int]:
    """Place an order; 409 when there is one of that number."""
    placed = gater.NewEvent("OrderPlaced", body.model_dump())
    result = await shop.api.append_events(STORE, f"order-{order}", [placed], expected_version=gater.NO_STREAM)
    return {"position": result.position}


@app.get("/orders/{order}")
async def show(order: str, shop: TheShop) -> list[str]:
    """The history of an order."""
    found = await shop.api.get_events(STORE, f"order-{order}")
    if not found:
        raise HTTPException(404)
    return [event.event_type for event in found]


@app.get("/customers/{customer}")
async def customer(customer: str, shop: TheShop) -> dict[str, int]:
    """All orders of a customer, as far as the projection has come."""
    return {"total": shop.orders.totals[customer]}


@app.exception_handler(gater.ConflictError)
async def conflict(request: Request, error: gater.ConflictError) -> JSONResponse:
    """Another was quicker."""
    return JSONResponse({"code": error.code, "reason": error.message}, 409)
