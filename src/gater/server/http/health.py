"""Routes that say whether the node lives, and whether it is ready for work."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from gater.model.errors import StoreUnavailableError
from gater.server.http.answers import Answer, Health, json_answer
from gater.server.http.documented import documented
from gater.server.http.paths import HEALTH
from gater.server.http.requests import AnyRequest, address_of, headers_of, service_of


@get(f"{HEALTH}/live", tags=["health"], opt=documented(answer=Health, open=True))
async def live() -> Answer:
    """Whether the process answers at all."""
    return json_answer(Health("live"))


@get(f"{HEALTH}/ready", tags=["health"], opt=documented(answer=Health, open=True))
async def ready(request: AnyRequest) -> Answer:
    """Whether every store takes reads and writes and the node is not stopping; if not: 503 and the reasons.

    They name the stores whose status the caller may ask for; of others they tell how many there are.
    """
    service = service_of(request)
    reasons = service.troubles(headers_of(request), address_of(request))
    if service.stopping.is_set():
        reasons.append({"reason": "the node is stopping"})
    if reasons:
        raise StoreUnavailableError(message="Not ready", reasons=reasons)
    return json_answer(Health("ready"))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (live, ready)
