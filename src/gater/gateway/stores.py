"""The stores that are open on this node."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gater.model.errors import (
    AlreadyExistsError,
    GaterError,
    InvalidArgumentError,
    MisconfiguredError,
    StoreCorruptError,
    StoreNotFoundError,
)
from gater.model.identifiers import check_store_id
from gater.model.limits import MOST_DESCRIPTION_BYTES, Limits
from gater.model.stores import StoreConfig
from gater.store.store import Store, new_config, open_file_store, open_memory_store
from gater.store.store_files import StoreFiles, stores_in
from gater.subscriptions.channels import NOWHERE, Channels
from gater.subscriptions.durables import Durables
from gater.subscriptions.emitters import Announcer

BACKUP_FOLDER: Final = ".backup-"
"""What the names of folders begin with that hold a backup while it is sent."""

log = logging.getLogger(__name__)


class Stores:
    """Opens, makes and removes stores; each file store is a file of the data folder."""

    def __init__(self, folder: Path, limits: Limits, channels: Channels = NOWHERE, *, memory: bool = False) -> None:
        """What happens in the stores is told on the `channels`, those that are set when a store is opened."""
        self.folder = folder
        self.channels = channels
        self._limits = limits
        self.memory = memory
        """Whether all stores live in memory."""
        self._open: dict[str, Store] = {}
        self._durables: dict[str, Durables] = {}
        self._damaged: dict[str, StoreCorruptError] = {}
        self._reserved: set[str] = set()

    def names(self) -> list[str]:
        """The stores of this node in order, those that are too damaged to be opened included."""
        return sorted([*self._open, *self._damaged])

    def damage(self, store: str) -> StoreCorruptError | None:
        """Why a store could not be opened; None when it was."""
        return self._damaged.get(store)

    def config(self, store: str) -> StoreConfig:
        """How a store was made, as far as that can be read."""
        if store in self._damaged:
            return StoreConfig(store, str(self.folder), status="corrupt")
        return self.get(store).config

    def open(self) -> list[Store]:
        """The stores that are open, in order."""
        return [self._open[name] for name in sorted(self._open)]

    def troubles(self) -> dict[str, str]:
        """Why each store is not running; empty for those that are."""
        damaged = {name: str(damage) for name, damage in self._damaged.items()}
        return {**damaged, **{name: store.trouble for name, store in self._open.items()}}

    def concerns(self) -> dict[str, str]:
        """The concern about each running store; empty for a sound one."""
        return {name: store.concern for name, store in self._open.items()}

    def stop_following(self) -> None:
        """End everything that waits for events to come."""
        for store in self._open.values():
            store.tail.watches.close()
        for durables in self._durables.values():
            durables.stop_waiting()

    def get(self, store: str) -> Store:
        """The open store of that name; StoreNotFoundError, or StoreCorruptError when its file is damaged."""
        found = self._open.get(store)
        if found is not None:
            return found
        if store in self._damaged:
            raise self._damaged[store].again()
        raise StoreNotFoundError(store)

    def durables(self, store: str) -> Durables:
        """The saved subscriptions of the open store of that name; raises as `get` does."""
        self.get(store)
        return self._durables[store]

    def _serve(self, store: Store) -> None:
        """Have an open store used."""
        self._durables[store.id] = Durables(store, self.channels)
        store.tail.observers.append(Announcer(self.channels.events).announce)
        self._open[store.id] = store

    async def _close(self, store: Store, *, remove: bool = False) -> None:
        await self._durables.pop(store.id).close()
        await store.close(remove=remove)

    async def open_all(self) -> None:
        """Open every store of the data folder; a damaged one is kept aside and refuses every call."""
        if self.memory:
            return
        try:
            await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise MisconfiguredError("data_dir", f"{self.folder}: {error.strerror}") from error
        await asyncio.to_thread(_remove_unfinished_backups, self.folder)
        for name in stores_in(self.folder):
            try:
                self._serve(await open_file_store(self.folder, name, self._limits))
            except StoreNotFoundError:
                log.warning("a store whose making or removal was cut short is passed over", extra={"store": name})
            except StoreCorruptError as damage:
                self._set_aside(name, damage)
            except GaterError:
                await self.close()
                raise

    def _set_aside(self, store: str, damage: StoreCorruptError) -> None:
        """Serve the others, and refuse every call for this one."""
        log.error("a store is damaged", extra={"store": store, "reason": str(damage)})
        self._damaged[store] = damage

    async def create(self, store: str, *, in_memory: bool, description: str, tags: tuple[str, ...]) -> Store:
        """Make a store.

        Raises AlreadyExistsError when the name is taken, StoreCorruptError when a store of that name was here and its
        file is missing.
        """
        check_store_id(store)
        _check_description(description, tags)
        if store in self._damaged and not StoreFiles(self.folder, store).database.exists():
            raise self._damaged[store].again()
        if store in self._open or store in self._damaged or store in self._reserved:
            raise AlreadyExistsError("store", store)
        memory = in_memory or self.memory
        config = new_config(store, self.folder, memory=memory, description=description, tags=tags)
        if memory:
            made = open_memory_store(config, self._limits)
        else:
            self._reserved.add(store)
            try:
                made = await open_file_store(self.folder, store, self._limits, config)
            finally:
                self._reserved.discard(store)
        self._serve(made)
        return made

    async def ensure(self, names: Sequence[str]) -> list[str]:
        """Make those of these stores that are missing; returns which were."""
        made = []
        for name in names:
            if name in self._damaged:
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
        if store in self._damaged:
            files = StoreFiles(self.folder, store)
            if files.is_foreign:
                raise self._damaged[store].again()
            files.acquire()
            try:
                files.remove()
            finally:
                files.release()
            del self._damaged[store]
            return
        found = self.get(store)
        del self._open[store]
        await self._close(found, remove=True)

    async def close(self) -> None:
        """Close all stores, each after what it has accepted is done."""
        for store in list(self._open.values()):
            try:
                await self._close(store)
            except Exception:  # the others are closed all the same
                log.exception("a store cannot be closed", extra={"store": store.id})
        self._open.clear()


def _remove_unfinished_backups(folder: Path) -> None:
    """Remove what a process that was killed has left of its backups."""
    for left in folder.glob(f"{BACKUP_FOLDER}*"):
        shutil.rmtree(left, onerror=_not_removed)


def _not_removed(function: object, path: str, error: object) -> None:
    log.warning("what is left of a backup cannot be removed", extra={"path": path, "reason": str(error)})


def _check_description(description: str, tags: tuple[str, ...]) -> None:
    if sum([len(text.encode(errors="replace")) + 1 for text in (description, *tags)]) > MOST_DESCRIPTION_BYTES:
        raise InvalidArgumentError("description", f"at most {MOST_DESCRIPTION_BYTES:,} bytes with the tags")
