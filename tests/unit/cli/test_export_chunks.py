"""An export is written in chunks that are bounded by their bytes as well."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gater.cli.batches import MOST_BYTES
from gater.cli.transfer import _chunks
from gater.model.events import JSON, Event


async def test_chunks_of_an_export_are_bounded_in_bytes() -> None:
    async def events() -> AsyncIterator[Event]:
        for version in range(40):
            metadata = b'{"a":"%b"}' % (b"x" * 200_000)
            yield Event("s", version, version + 1, bytes(16), "T", JSON, b"{}", metadata, 0)

    lines, advanced = 0, list[int]()
    async for chunk in _chunks(events(), advanced.append):
        assert len(chunk) < MOST_BYTES + 250_000
        lines += chunk.count(b"\n")
    assert lines == sum(advanced) == 40
