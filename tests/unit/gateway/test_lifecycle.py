"""Races: cancelling, closing and removing while calls, reads and subscriptions are under way."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import ApiClosedError, GaterApi, NewEvent, StoreNotFoundError, StoreUnavailableError
from gater.api import operations as op
from gater.api.origin import IN_PROCESS
from gater.gateway.gateway import open_gateway
from gater.gateway.local_caller import LocalCaller
from gater.model.errors import GaterError, InvalidArgumentError, RequestTimeoutError
from tests.unit.gateway.calls import answer, in_memory, on_files


def events(count: int, first: int = 0) -> list[NewEvent]:
    return [NewEvent("T", {"number": number}) for number in range(first, first + count)]


async def subscribed(api: GaterApi, count: int) -> None:
    while (await api.get_store_status("s")).subscribers != count:
        await asyncio.sleep(0.001)


async def test_every_operation_is_answered_once(tmp_path: Path) -> None:
    async with on_files(tmp_path, "s") as gateway:
        answers: list[tuple[Any, GaterError | None]] = []
        asked: list[op.Operation[Any]] = [
            op.ListStores(),
            op.GetStoreStatus("s"),
            op.GetStoreConfig("s"),
            op.GetVersion("s", "a"),
            op.GetVersion("nowhere", "a"),
            op.CreateStore("t"),
            op.CreateStore("s"),
            op.VerifyStore("s"),
            op.CompactStore("s"),
            op.RemoveStore("nowhere"),
        ]
        for operation in asked:
            gateway.dispatch(operation, IN_PROCESS, lambda answer, error: answers.append((answer, error)))
        while len(answers) < len(asked):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert len(answers) == len(asked)
        assert sum(error is not None for _, error in answers) == 3


async def test_reads_are_answered_before_dispatch_returns(tmp_path: Path) -> None:
    async with on_files(tmp_path, "s") as gateway:
        for operation in (op.GetVersion("s", "a"), op.ReadStream("s", "a"), op.ReadAll("s")):
            assert answer(gateway, operation).done()


async def test_a_cancelled_append_is_still_whole(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        for number in range(30):
            appending = asyncio.ensure_future(api.append_events("s", "a", events(3, 3 * number)))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            appending.cancel()
            await asyncio.gather(appending, return_exceptions=True)
        last = await api.append_events("s", "a", [NewEvent("Last")])
        read = await api.get_events("s", "a", 0, 1_000)
        assert [event.version for event in read] == list(range(last.version + 1))
        numbers = [event.data["number"] for event in read[:-1]]
        # Each of them is there whole, or not at all.
        assert all(
            numbers[n : n + 3] == [numbers[n], numbers[n] + 1, numbers[n] + 2] for n in range(0, len(numbers), 3)
        )
        assert (await api.verify("s")).ok


async def test_closing_answers_the_appends_that_are_under_way(tmp_path: Path) -> None:
    acknowledged: dict[str, int] = {}

    async def write(api: GaterApi, stream: str) -> None:
        for number in range(1_000):
            try:
                result = await api.append_events("s", stream, events(1, number), number - 1)
            except (StoreUnavailableError, ApiClosedError):
                return
            acknowledged[stream] = result.version

    async with gater.open(tmp_path, stores=["s"]) as api:
        writers = [asyncio.ensure_future(write(api, f"a-{n}")) for n in range(10)]
        while len(acknowledged) < 10:
            await asyncio.sleep(0.001)
    await asyncio.gather(*writers)
    async with gater.open(tmp_path) as api:
        for stream, version in acknowledged.items():
            assert await api.get_version("s", stream) == version
        assert (await api.verify("s")).ok


async def test_closing_ends_reads_that_wait_for_a_position(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        waiting = [
            asyncio.ensure_future(api.get_events("s", "a", after_position=99)),
            asyncio.ensure_future(api.read_all("s", after_position=99)),
            asyncio.ensure_future(anext(api.stream_all("s", after_position=99))),
            asyncio.ensure_future(anext(api.stream_forward("s", "a", after_position=99))),
        ]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailableError] * 2 + [ApiClosedError] * 2


async def test_closing_ends_pulls_that_wait_for_events(tmp_path: Path) -> None:
    async with on_files(tmp_path, "s") as gateway:
        api = GaterApi(LocalCaller(gateway.door))
        await api.save_subscription("s", "by_stream", "$all", "billing")
        pulling = asyncio.ensure_future(api.pull_events("s", "billing", wait=60.0))
        while not (await api.get_subscription("s", "billing")).consumers:
            await asyncio.sleep(0.001)
        async with asyncio.timeout(5.0):
            await gateway.close()
        with pytest.raises(StoreUnavailableError):
            await pulling


async def test_a_read_that_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(op.GetVersion, "timeout", 0.05)
    async with gater.open(tmp_path, stores=["s"]) as api:
        with pytest.raises(RequestTimeoutError) as caught:
            await api.get_version("s", "a", after_position=1)
        assert (caught.value.operation, caught.value.seconds) == ("get_version", 0.05)
        await api.append_events("s", "a", events(1))
        assert await api.get_version("s", "a", after_position=1) == 0


async def test_reads_that_are_given_up_leave_nothing_behind() -> None:
    async with in_memory("s") as gateway:
        api = GaterApi(LocalCaller(gateway.door))
        for _ in range(20):
            waiting = asyncio.ensure_future(api.get_version("s", "a", after_position=99))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(gateway.close(), 2.0)


async def test_closing_ends_subscriptions_with_an_error(tmp_path: Path) -> None:
    async def follow(api: GaterApi, selector: str) -> int:
        seen = 0
        async with aclosing(api.subscribe("s", "by_stream", selector)) as subscription:
            async for _ in subscription:
                seen += 1
        return seen

    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.append_events("s", "a", events(3))
        following = [asyncio.ensure_future(follow(api, selector)) for selector in ("$all", "a", "b")]
        await subscribed(api, 3)
    outcomes = await asyncio.gather(*following, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ApiClosedError] * 3


async def test_calls_after_closing_are_refused(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        begun = api.stream_all("s")
    for call in (
        lambda: api.append_events("s", "a", events(1)),
        lambda: api.get_version("s", "a"),
        lambda: api.create_store("t"),
        lambda: api.list_stores(),
        lambda: anext(api.subscribe("s")),
        lambda: anext(begun),
        lambda: api.backup("s", tmp_path / "copy"),
    ):
        with pytest.raises(ApiClosedError):
            await call()
    await api.close()
    await api.close()


async def test_a_stream_that_is_read_while_its_store_is_removed_ends_with_an_error(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        for _ in range(5):
            await api.append_events("s", "a", events(1_000))
        readers = [api.stream_all("s"), api.stream_forward("s", "a"), api.stream_backward("s", "a")]
        for reader in readers:
            await anext(reader)
        await api.remove_store("s")
        for reader in readers:
            with pytest.raises((StoreUnavailableError, StoreNotFoundError)):
                async for _ in reader:
                    pass


async def test_writes_to_a_store_that_is_removed_are_answered_or_refused(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        for _ in range(10):
            writing = [asyncio.ensure_future(api.append_events("s", f"a-{n}", events(1))) for n in range(20)]
            await asyncio.sleep(0)
            await api.remove_store("s")
            outcomes = await asyncio.gather(*writing, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {
                gater.WriteResult,
                StoreNotFoundError,
                StoreUnavailableError,
            }
            await api.create_store("s")
            assert await api.read_all("s") == []


async def test_removing_and_making_a_store_at_once_ends_in_order(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        for _ in range(15):
            outcomes = await asyncio.gather(
                api.remove_store("s"), api.create_store("s"), api.remove_store("s"), return_exceptions=True
            )
            assert all(outcome is None or isinstance(outcome, gater.StoreConfig | GaterError) for outcome in outcomes)
            names = [info.store.store_id for info in await api.list_stores()]
            if not names:
                await api.create_store("s")
            assert (await api.append_events("s", "a", events(1))).version == 0
    async with gater.open(tmp_path) as api:
        assert await api.get_version("s", "a") == 0


async def test_stores_can_be_closed_while_one_is_made(tmp_path: Path) -> None:
    for _ in range(10):
        async with gater.open(tmp_path) as api:
            making = asyncio.ensure_future(api.create_store("s"))
            await asyncio.sleep(0)
        outcome = (await asyncio.gather(making, return_exceptions=True))[0]
        async with gater.open(tmp_path) as api:
            names = [info.store.store_id for info in await api.list_stores()]
            if isinstance(outcome, gater.StoreConfig):
                assert names == ["s"]
                await api.remove_store("s")


async def test_compaction_ends_while_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.store.COMPACTED_AT_ONCE", 50)
    async with gater.open(tmp_path, stores=["s"]) as api:
        for _ in range(5):
            await api.append_events("s", "gone", events(200))
        await api.delete_stream("s", "gone")

        async def write(stream: str) -> None:
            for number in range(30):
                await api.append_events("s", stream, events(2, 2 * number), 2 * number - 1)

        removed, *_ = await asyncio.gather(api.compact_store("s"), *[write(f"a-{n}") for n in range(5)])
        assert removed == 1_000
        assert [await api.get_version("s", f"a-{n}") for n in range(5)] == [59] * 5
        assert (await api.verify("s")).ok


async def test_a_backup_that_is_given_up_leaves_nothing_behind(tmp_path: Path) -> None:
    async with gater.open(tmp_path / "data", stores=["s"]) as api:
        for _ in range(20):
            await api.append_events("s", "a", [NewEvent("T", bytes(500_000))])
        for number in range(15):
            copying = asyncio.ensure_future(api.backup("s", tmp_path / f"copy-{number}"))
            await asyncio.sleep(number * 0.002)
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)
        assert (await api.verify("s")).ok
    assert sorted(os.listdir(tmp_path / "data")) == ["s.db", "s.lock", "s.watermark"]
    assert [name for name in os.listdir(tmp_path) if name.endswith(".partial")] == []


async def test_what_a_killed_process_left_of_a_backup_is_removed(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]):
        pass
    (tmp_path / ".backup-x").mkdir()
    (tmp_path / ".backup-x" / "copy").write_bytes(b"half")
    async with gater.open(tmp_path):
        assert not (tmp_path / ".backup-x").exists()


async def test_what_is_no_call_is_refused(tmp_path: Path) -> None:
    async with on_files(tmp_path, "s") as gateway:
        with pytest.raises(InvalidArgumentError):
            gateway.stream(op.GetVersion("s", "a"), IN_PROCESS)  # type: ignore[arg-type]


async def test_a_damaged_store_refuses_every_call_and_the_others_serve(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["good", "bad"]) as api:
        await api.append_events("bad", "a", events(500))
    damaged = bytearray((tmp_path / "bad.db").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "bad.db").write_bytes(damaged)
    async with gater.open(tmp_path, stores=["good", "bad"]) as api:
        for _ in range(3):
            for call in (
                lambda: api.get_events("bad", "a"),
                lambda: api.append_events("bad", "a", events(1)),
                lambda: anext(api.subscribe("bad")),
                lambda: anext(api.stream_all("bad")),
            ):
                with pytest.raises(gater.StoreCorruptError) as caught:
                    await call()
                assert caught.value.store == "bad"
        assert (await api.get_store_status("bad")).state == "corrupt"
        assert (await api.append_events("good", "a", events(1))).version == 0


async def test_damage_met_while_reading_ends_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.opening.FULL_CHECK_BYTES", 0)
    async with gater.open(tmp_path, stores=["s"]) as api:
        for number in range(20):
            await api.append_events("s", f"a-{number}", [NewEvent("T", bytes(20_000))])
    damaged = bytearray((tmp_path / "s.db").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "s.db").write_bytes(damaged)
    async with gater.open(tmp_path) as api:
        with pytest.raises(gater.StoreCorruptError):
            async for _ in api.stream_all("s"):
                pass
        with pytest.raises(gater.StoreCorruptError):
            await api.append_events("s", "a", events(1))
        status = await api.get_store_status("s")
        assert (status.state, bool(status.reason)) == ("corrupt", True)
        assert not (await api.verify("s")).ok


async def test_a_gateway_that_cannot_open_its_stores_leaves_those_of_another(tmp_path: Path) -> None:
    first = await open_gateway(tmp_path, stores=["s"])
    with pytest.raises(StoreUnavailableError):
        await open_gateway(tmp_path)
    await answer(first, op.VerifyStore("s"))
    for _ in range(2):
        await first.close()
