"""The page of figures that Prometheus reads."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from gater.server.http.answers import Answer
from gater.server.http.documented import documented
from gater.server.http.requests import AnyRequest, access_of, service_of
from gater.telemetry.prometheus import CONTENT_TYPE


@get("/metrics", tags=["health"], opt=documented(other_types=("text/plain",)))
async def metrics(request: AnyRequest) -> Answer:
    """Every figure of the node in the text format of Prometheus; needs the scope `read`."""
    access = access_of(request)
    await access.api.get_health()  # who may ask for this may have the figures
    return Answer(service_of(request).metrics_page(), media_type=CONTENT_TYPE)


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (metrics,)
