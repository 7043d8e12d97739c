"""The consumer under a processor: which partitions it takes records from, step by step of a start of Faust's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import faust
from aiokafka.consumer.fetcher import Fetcher, FetchError
from faust.types import TP

from gebus.kafka.processor_clients import _Consumer, _Transport

FEED, STATE = TP("feed.yujing.visit-counts", 0), TP("gebus.processor.early-warning.state", 0)
ASSIGNED = {FEED, STATE}


async def _nothing(*_: Any) -> None:
    """In place of what the app does."""


class _Fetching:
    """aiokafka with a record ready in each partition, behind one fetch that is under way all the time."""

    def __init__(self) -> None:
        self.wanted: Any = None

    async def getmany(self, wanted: Any, _: float) -> dict[TP, Any]:
        self.wanted = wanted
        return {}

    async def takes(self, tp: TP) -> bool:
        """Whether the fetch that began last takes the record of the partition now."""
        fetcher = Fetcher.__new__(Fetcher)
        fetcher._subscriptions = SimpleNamespace(reassignment_in_progress=False, is_assigned=lambda _: True)
        fetcher._wait_consume_future = None
        fetcher._records = {tp: FetchError(error=LookupError("taken"), backoff=0)}
        try:
            return bool(await fetcher.fetched_records(self.wanted))
        except LookupError:
            return True


def _started(check: Callable[[Any, _Fetching], Any]) -> None:
    """Run the check on a consumer to which both partitions were assigned, as Faust leaves it then: all paused."""

    async def run() -> None:
        app = faust.App("test", broker="kafka://127.0.0.1:1", store="memory://")
        consumer = _Consumer(
            _Transport(app.conf.broker_consumer, app),
            callback=_nothing,
            on_partitions_revoked=_nothing,
            on_partitions_assigned=_nothing,
        )
        consumer._thread.thread_loop.close()
        consumer._thread = fetching = _Fetching()
        consumer._set_active_tps(ASSIGNED)
        consumer.pause_partitions(ASSIGNED)
        await check(consumer, fetching)

    asyncio.run(run())


def test_a_fetch_under_way_takes_nothing_of_the_feed_before_the_flow_is_resumed() -> None:
    async def check(consumer: Any, fetching: _Fetching) -> None:
        consumer.resume_partitions([STATE])
        consumer.resume_flow()
        await consumer._getmany(consumer._get_active_partitions(), 1.0)
        assert await fetching.takes(STATE)
        assert not await fetching.takes(FEED)
        consumer.pause_partitions([STATE])  # the state is restored, and nothing is active
        assert not await fetching.takes(FEED)
        consumer.resume_partitions([FEED])  # sought to its offset only now
        assert not await fetching.takes(FEED)
        consumer.resume_flow()
        assert await fetching.takes(FEED)
        assert not await fetching.takes(STATE)

    _started(check)


def test_what_is_newly_assigned_waits_though_the_flow_is_on() -> None:
    """So it is for a copy that had no partition: Faust stops the flow of those alone that had one."""

    async def check(consumer: Any, fetching: _Fetching) -> None:
        consumer.resume_flow()
        consumer._set_active_tps(ASSIGNED)
        await consumer._getmany(consumer._get_active_partitions(), 1.0)
        assert not await fetching.takes(FEED)
        assert not await fetching.takes(STATE)

    _started(check)


def test_a_queue_that_empties_does_not_resume_what_is_paused() -> None:
    async def check(consumer: Any, fetching: _Fetching) -> None:
        consumer.resume_partitions([FEED])
        consumer.resume_flow()
        await consumer._getmany(consumer._get_active_partitions(), 1.0)
        consumer.on_buffer_full(FEED)
        assert not await fetching.takes(FEED)
        consumer.pause_partitions([FEED])
        consumer.on_buffer_drop(FEED)
        assert not await fetching.takes(FEED)

    _started(check)
