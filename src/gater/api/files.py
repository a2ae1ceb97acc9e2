"""Writing a streamed file so that it is there whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from gater.model.errors import AlreadyExistsError, InvalidArgumentError


async def write_chunks(chunks: AsyncIterator[bytes], path: str | os.PathLike[str]) -> int:
    """Write the chunks to a new file at `path`, fsynced and renamed into place; returns its size in bytes.

    Raises AlreadyExistsError when the path is taken, InvalidArgumentError when it cannot be written.
    """
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    size = 0
    try:
        file = await asyncio.to_thread(_create, partial, target)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
                size += len(chunk)
            await asyncio.to_thread(_publish, file, partial, target)
        finally:
            file.close()
            await asyncio.to_thread(partial.unlink, missing_ok=True)
    except FileExistsError:
        raise AlreadyExistsError("file", str(target)) from None
    except OSError as error:
        raise InvalidArgumentError("path", f"{error.strerror}: {target}") from error
    return size


def _create(partial: Path, target: Path) -> BinaryIO:
    if target.exists():
        raise FileExistsError
    return partial.open("xb")


def _publish(file: BinaryIO, partial: Path, target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    # A link, unlike a rename, never replaces a file that has appeared meanwhile.
    os.link(partial, target)
