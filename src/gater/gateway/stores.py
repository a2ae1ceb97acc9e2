"""The stores that are open on this node."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from gater.model.errors import (
    AlreadyExistsError,
    GaterError,
    InvalidArgumentError,
    MisconfiguredError,
    OverloadedError,
    StoreCorruptError,
    StoreNotFoundError,
    StoreUnavailableError,
)
from gater.model.identifiers import check_store_id
from gater.model.limits import MOST_DESCRIPTION_BYTES, Limits
from gater.model.memory_budget import MemoryBudget
from gater.model.stores import StoreConfig, StoreStatus
from gater.store.store import Store, new_config, open_file_store, open_memory_store
from gater.store.store_files import StoreFiles, stores_in
from gater.store.tail_budget import GivenOut, TailBudget
from gater.subscriptions.channels import NOWHERE, Channels
from gater.subscriptions.durables import Durables
from gater.subscriptions.emitters import Announcer
from gater.subscriptions.group_budget import GroupBudget

BACKUP_FOLDER: Final = ".backup-"
"""What the names of folders begin with that hold a backup while it is sent."""

RETRY_SECONDS: Final = 5.0
"""Time after which stores that could not be opened are tried again."""

log = logging.getLogger(__name__)


class Stores:
    """Opens, makes and removes stores; each file store is a file of the data folder."""

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        channels: Channels = NOWHERE,
        *,
        memory: bool = False,
        budget: MemoryBudget | None = None,
        is_embedded: bool = False,
    ) -> None:
        """Events of the stores are announced on the `channels` that are set when a store is opened.

        `budget`: what they may hold in memory together; with `is_embedded`, consumers are in this process.
        """
        self.folder = folder
        self.channels = channels
        self._limits = limits
        self._budget = budget or MemoryBudget(limits.max_memory, limits.max_request_bytes)
        self._groups = GroupBudget(self._budget.groups)
        self._tails = TailBudget(self._budget.followers)
        self._due = GivenOut(self._budget.followers, self._tails)
        self._announced = GivenOut(self._budget.followers, self._tails)
        self._is_embedded = is_embedded
        self.memory = memory
        """Whether all stores live in memory."""
        self._open: dict[str, Store] = {}
        self._durables: dict[str, Durables] = {}
        self._unopened: dict[str, GaterError] = {}
        self._retrying: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._reserved: set[str] = set()

    def status(self, store: str) -> StoreStatus:
        """The status of a store, also of one that could not be opened."""
        refusal = self._unopened.get(store)
        if refusal is None:
            return self.get(store).status()
        return StoreStatus(store, state_of(refusal), "", 0, 0, 0, 0, 0, 0, 0, str(refusal))

    def statuses(self) -> list[StoreStatus]:
        """The status of each store, in order."""
        return [self.status(name) for name in self.names()]

    def names(self) -> list[str]:
        """The stores of this node in order, those that could not be opened included."""
        return sorted([*self._open, *self._unopened])

    def refusal(self, store: str) -> GaterError | None:
        """The reason why a store could not be opened; None when it was."""
        return self._unopened.get(store)

    def config(self, store: str) -> StoreConfig:
        """The configuration of a store, as far as it can be read."""
        if store in self._unopened:
            return StoreConfig(store, str(self.folder), status=state_of(self._unopened[store]))
        return self.get(store).config

    def open(self) -> list[Store]:
        """The stores that are open, in order."""
        return [self._open[name] for name in sorted(self._open)]

    def troubles(self) -> dict[str, str]:
        """The reason why each store is not running; empty for those that are."""
        unopened = {name: str(refusal) for name, refusal in self._unopened.items()}
        return {**unopened, **{name: store.trouble for name, store in self._open.items()}}

    def states(self) -> dict[str, tuple[str, str]]:
        """The state of each store as it was found last, and why it is not running; in order."""
        unopened = {name: (state_of(refusal), str(refusal)) for name, refusal in self._unopened.items()}
        found = {**unopened, **{name: store.state for name, store in self._open.items()}}
        return dict(sorted(found.items()))

    def concerns(self) -> dict[str, str]:
        """The concern about each running store; empty for a sound one."""
        return {name: store.concern for name, store in self._open.items()}

    def stop_following(self) -> None:
        """End everything that waits for events to come, or would go on for long."""
        for store in self._open.values():
            store.stop()
        for durables in self._durables.values():
            durables.stop_waiting()

    def get(self, store: str) -> Store:
        """The open store of that name; StoreNotFoundError, or why it could not be opened."""
        found = self._open.get(store)
        if found is not None:
            return found
        if store in self._unopened:
            raise self._unopened[store].again()
        raise StoreNotFoundError(store)

    def durables(self, store: str) -> Durables:
        """The saved subscriptions of the open store of that name; raises as `get` does."""
        self.get(store)
        return self._durables[store]

    def _open_file(self, store: str, create: StoreConfig | None = None) -> Coroutine[Any, Any, Store]:
        return open_file_store(self.folder, store, self._limits, create, self._budget.requests)

    def _serve(self, store: Store) -> None:
        """Have an open store used."""
        store.tail.budget, store.tail.watches.given_out = self._tails, self._due
        self._durables[store.id] = Durables(store, self.channels, self._groups, is_local=self._is_embedded)
        announcer = Announcer(self.channels.events, self._announced)
        store.tail.observers.append(announcer.announce)
        store.tail.on_hidden.append(announcer.hide)
        self._open[store.id] = store

    async def _close(self, store: Store, *, remove: bool = False) -> None:
        await self._durables.pop(store.id).close()
        self._tails.forget(store.tail)
        await store.close(remove=remove)

    async def open_all(self) -> None:
        """Open every store of the data folder; one that cannot be opened is set aside and refuses every call.

        What may pass by itself is tried again every few seconds. Raises when no store can be opened for such a reason.
        """
        if self.memory:
            return
        try:
            await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise MisconfiguredError("data_dir", f"{self.folder}: {error.strerror}") from error
        await asyncio.to_thread(_remove_unfinished_backups, self.folder)
        for name in stores_in(self.folder):
            try:
                self._serve(await self._open_file(name))
            except StoreNotFoundError:
                log.warning("a store whose making or removal was cut short is passed over", extra={"store": name})
            except GaterError as refusal:
                self._set_aside(name, refusal)
        if retried := self._to_retry():
            if not self._open and len(retried) == len(self._unopened):
                raise self._unopened[retried[0]].again()
            self._retrying = asyncio.create_task(self._retry())

    def _set_aside(self, store: str, refusal: GaterError) -> None:
        """Serve the others, and refuse every call for this one."""
        log.error("a store cannot be opened", extra={"store": store, "reason": str(refusal)})
        self._unopened[store] = refusal

    def _to_retry(self) -> list[str]:
        """The stores that could not be opened for a reason that may pass by itself."""
        return [name for name, refusal in self._unopened.items() if not isinstance(refusal, StoreCorruptError)]

    async def _retry(self) -> None:
        """Try again to open what could not be opened, until nothing is left of it."""
        while retried := self._to_retry():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), RETRY_SECONDS)
            for name in retried:
                await self._open_again(name)
            if self._closing.is_set():
                return

    async def _open_again(self, name: str) -> None:
        if self._closing.is_set() or name not in self._unopened or name in self._reserved:
            return
        self._reserved.add(name)
        try:
            store = await self._open_file(name)
        except StoreNotFoundError:
            log.warning("a store that could not be opened is gone", extra={"store": name})
            self._unopened.pop(name, None)
        except GaterError as refusal:
            self._unopened[name] = refusal
        except Exception:  # the next turn tries again
            log.exception("a store cannot be opened", extra={"store": name})
        else:
            log.warning("a store that could not be opened is served", extra={"store": name})
            self._unopened.pop(name, None)
            self._serve(store)
        finally:
            self._reserved.discard(name)

    async def create(self, store: str, *, in_memory: bool, description: str, tags: tuple[str, ...]) -> Store:
        """Make a store.

        Raises AlreadyExistsError when the name is taken, OverloadedError when there are as many as there may be,
        StoreCorruptError when a store of that name was here and its file is missing.
        """
        check_store_id(store)
        _check_description(description, tags)
        if store in self._unopened and not StoreFiles(self.folder, store).database.exists():
            raise self._unopened[store].again()
        if store in self._open or store in self._unopened or store in self._reserved:
            raise AlreadyExistsError("store", store)
        if len({*self._open, *self._unopened, *self._reserved}) >= self._limits.max_stores:
            raise OverloadedError("stores", self._limits.max_stores)
        memory = in_memory or self.memory
        config = new_config(store, self.folder, memory=memory, description=description, tags=tags)
        if memory:
            made = open_memory_store(config, self._limits, self._budget.requests)
        else:
            self._reserved.add(store)
            try:
                made = await self._open_file(store, config)
            finally:
                self._reserved.discard(store)
        self._serve(made)
        return made

    async def ensure(self, names: Sequence[str]) -> list[str]:
        """Make those of these stores that are missing; returns which were."""
        made = []
        for name in names:
            if name in self._unopened:
                continue  # said when it was met; never replaced
            with contextlib.suppress(AlreadyExistsError):
                try:
                    await self.create(name, in_memory=False, description="", tags=())
                except StoreCorruptError as damage:
                    self._set_aside(name, damage)
                else:
                    made.append(name)
        return made

    async def remove(self, store: str) -> None:
        """Close a store and delete its files, also when they are damaged; never those of another program."""
        if store in self._reserved:
            raise StoreUnavailableError(store, "it is being opened")
        if store in self._unopened:
            files = StoreFiles(self.folder, store)
            if files.is_foreign:
                raise self._unopened[store].again()
            files.acquire()
            try:
                files.remove()
            finally:
                files.release()
            del self._unopened[store]
            return
        found = self.get(store)
        del self._open[store]
        await self._close(found, remove=True)

    async def close(self) -> None:
        """Close all stores, each after what it has accepted is done."""
        self._closing.set()
        if self._retrying is not None:
            await self._retrying  # what it is opening is closed with the others
        for store in list(self._open.values()):
            try:
                await self._close(store)
            except Exception:  # the others are closed all the same
                log.exception("a store cannot be closed", extra={"store": store.id})
        self._open.clear()


def state_of(refusal: GaterError) -> str:
    """The state of a store that could not be opened, by the reason."""
    return "corrupt" if isinstance(refusal, StoreCorruptError) else "unavailable"


def _remove_unfinished_backups(folder: Path) -> None:
    """Remove what a process that was killed has left of its backups."""
    for left in folder.glob(f"{BACKUP_FOLDER}*"):
        shutil.rmtree(left, onerror=_not_removed)


def _not_removed(function: object, path: str, error: object) -> None:
    log.warning("what is left of a backup cannot be removed", extra={"path": path, "reason": str(error)})


def _check_description(description: str, tags: tuple[str, ...]) -> None:
    if sum([len(text.encode(errors="replace")) + 1 for text in (description, *tags)]) > MOST_DESCRIPTION_BYTES:
        raise InvalidArgumentError("description", f"at most {MOST_DESCRIPTION_BYTES:,} bytes with the tags")
