"""Routes of stores: making and removing them, how they are, verification, compaction, import and backup."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler

from gater.api import operations as op
from gater.model.identifiers import check_store_id
from gater.model.stores import StoreConfig, StoreStatus
from gater.server.http.answers import Answer, Imported, Removed, ShownStore, StoreList, Verified, json_answer, outlet_of
from gater.server.http.bodies import ImportedLine, StoreBody, decode_store
from gater.server.http.documented import about, documented
from gater.server.http.importing import import_lines
from gater.server.http.paths import STORE, STORES
from gater.server.http.receiving import body_parts, json_body
from gater.server.http.requests import AnyRequest, access_of, check_confirmed, path_text, query, service_of
from gater.server.http.streaming import NDJSON, StreamingAnswer, opened

OCTETS: Final = "application/octet-stream"


@get(STORES, tags=["stores"], opt=documented(answer=StoreList))
async def list_stores(request: AnyRequest) -> Answer:
    """The stores that can be reached."""
    return json_answer(StoreList(await access_of(request).api.list_stores()))


@post(STORES, tags=["stores"], opt=documented(body=StoreBody, status=201, answer=StoreConfig))
async def create_store(request: AnyRequest) -> Answer:
    """Make a store, on a file or in memory."""
    access = access_of(request)
    body = await json_body(request, access, op.CreateStore(""), decode_store, reach_known=False)
    made = await access.api.create_store(
        body.store, in_memory=body.in_memory, description=body.description, tags=body.tags
    )
    return json_answer(made, 201)


@get(STORE, tags=["stores"], opt=documented(answer=ShownStore))
async def get_store(request: AnyRequest) -> Answer:
    """A store: how it was made, and how it is doing."""
    api, store = access_of(request).api, path_text(request, "store")
    return json_answer(ShownStore(await api.get_store_config(store), await api.get_store_status(store)))


class RemoveQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which store is meant."""

    confirm: Annotated[str, about("The name of the store, once more.")]


@delete(STORE, tags=["stores"], opt=documented(query=RemoveQuery, status=204))
async def remove_store(request: AnyRequest) -> None:
    """Close a store and delete its files, for good; it is named in `confirm` once more."""
    access, store = access_of(request), path_text(request, "store")
    access.admit(op.RemoveStore(store))
    check_confirmed(store, query(request, RemoveQuery).confirm)
    await access.api.remove_store(store)


@get(f"{STORE}/status", tags=["stores"], opt=documented(answer=StoreStatus))
async def get_store_status(request: AnyRequest) -> Answer:
    """The state of a store: its position, size, and commands that wait."""
    return json_answer(await access_of(request).api.get_store_status(path_text(request, "store")))


@get(f"{STORE}/config", tags=["stores"], opt=documented(answer=StoreConfig))
async def get_store_config(request: AnyRequest) -> Answer:
    """The configuration with which a store was made."""
    return json_answer(await access_of(request).api.get_store_config(path_text(request, "store")))


@post(f"{STORE}/verify", tags=["stores"], status_code=200, opt=documented(answer=Verified))
async def verify(request: AnyRequest) -> Answer:
    """Check a whole store: every page, every index, that positions and versions are gapless."""
    report = await access_of(request).api.verify(path_text(request, "store"))
    return json_answer(report.to_dict())


@post(f"{STORE}/compact", tags=["stores"], status_code=200, opt=documented(answer=Removed))
async def compact(request: AnyRequest) -> Answer:
    """Give back the space of deleted and truncated events; positions stay as they are."""
    return json_answer(Removed(await access_of(request).api.compact_store(path_text(request, "store"))))


@post(
    f"{STORE}/import",
    tags=["stores"],
    status_code=200,
    opt=documented(body=ImportedLine, body_type=NDJSON, answer=Imported),
)
async def import_events(request: AnyRequest) -> Answer:
    """Append exported events, one JSON object a line, with their ids, versions and times.

    What is here already is passed over, so that an import can be repeated. The body may be of any length; what came
    in before an error stays.
    """
    access, store = access_of(request), check_store_id(path_text(request, "store"))
    parts = body_parts(request, access, op.ImportPage(store, ()))
    return json_answer(await import_lines(parts, access.caller, store, service_of(request).limits))


@get(f"{STORE}/backup", tags=["stores"], opt=documented(other_types=(OCTETS,)))
async def backup(request: AnyRequest) -> Answer:
    """A consistent copy of a store's file, taken while the store works: put it in a data folder as NAME.db."""
    store = check_store_id(path_text(request, "store"))
    chunks = await opened(outlet_of(request.scope), access_of(request).caller.stream(op.BackupStore(store)))
    return StreamingAnswer(
        chunks, media_type=OCTETS, headers={"content-disposition": f'attachment; filename="{store}.db"'}
    )


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    list_stores,
    create_store,
    get_store,
    remove_store,
    get_store_status,
    get_store_config,
    verify,
    compact,
    import_events,
    backup,
)
