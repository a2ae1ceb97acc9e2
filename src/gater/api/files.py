"""Writing a streamed file so that it is there whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from gater.model.errors import AlreadyExistsError, InvalidArgumentError

Result = TypeVar("Result")


async def to_the_end(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function that runs in a thread; who is cancelled meanwhile waits until it has ended."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()
        raise


async def write_chunks(chunks: AsyncIterator[bytes], path: str | os.PathLike[str]) -> int:
    """Write the chunks to a new file at `path`, fsynced and put there whole; returns its size in bytes.

    Raises AlreadyExistsError when the path is taken, InvalidArgumentError when it cannot be written.
    """
    target = Path(path)
    partial = _PartialFile(target)
    size = 0
    try:
        try:
            await to_the_end(partial.create)
            async for chunk in chunks:
                await to_the_end(partial.write, chunk)
                size += len(chunk)
            await to_the_end(partial.publish)
        finally:
            await to_the_end(partial.discard)
    except FileExistsError:
        raise AlreadyExistsError("file", str(target)) from None
    except OSError as error:
        raise InvalidArgumentError("path", f"{error.strerror}: {target}") from error
    return size


class _PartialFile:
    """A file beside its place, until it is whole."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(target.name + ".partial")
        self._file: BinaryIO | None = None

    def create(self) -> None:
        if self._target.exists():
            raise FileExistsError
        self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> None:
        assert self._file is not None
        self._file.write(chunk)

    def publish(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        # A link, unlike a rename, never replaces a file that has appeared meanwhile.
        os.link(self._path, self._target)

    def discard(self) -> None:
        """Remove what is beside the place, if this object has put it there."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
