"""Writing a streamed file so that it is there whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from gater.model.errors import AlreadyExistsError, InvalidArgumentError


async def write_chunks(chunks: AsyncIterator[bytes], path: str | os.PathLike[str]) -> int:
    """Write the chunks to a new file at `path`, fsynced and renamed into place; returns its size in bytes.

    Raises AlreadyExistsError when the path is taken, InvalidArgumentError when it cannot be written.
    """
    target = Path(path)
    if target.exists():
        raise AlreadyExistsError("file", str(target))
    partial = target.with_name(target.name + ".partial")
    size = 0
    try:
        with open(partial, "xb") as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
                size += len(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        os.link(partial, target)
    except FileExistsError as error:
        raise AlreadyExistsError("file", str(error.filename2 or error.filename)) from None
    except OSError as error:
        raise InvalidArgumentError("path", f"{error.strerror}: {target}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size
