"""The Faust around a processor's logic: the one agent, its table, and the order in which things are acknowledged.

| step | if the process dies after it |
| --- | --- |
| a record is taken | it is taken again |
| its events are acknowledged | they are made again with the same ids, and the lane removes the repeats |
| its state is acknowledged | it is taken again, the state knows it, and nothing is made |
| its offset is committed | the next record is taken |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gebus.catalogue import EventValidator
from gebus.kafka import Connection
from gebus.kafka.decoding import FeedDecoder, Undecodable
from gebus.kafka.encoding import Encoded, EventEncoder, registered_id
from gebus.kafka.processor_clients import AcknowledgedTable, open_app
from gebus.kafka.registry import Registry
from gebus.lanes.crash import CrashPoint
from gebus.model.catalogue import Catalogue
from gebus.model.errors import Stopped
from gebus.model.processor import Processor
from gebus.processors.logic import Logic, Record, Step
from gebus.processors.metrics import Metrics

CRASH_POINTS = ("after_take", "after_events", "after_state", "after_ack")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a processor works with, all of it made before it reads."""

    processor: Processor
    logic: Logic
    encode: Callable[[Record], Encoded]
    decoder: FeedDecoder
    metrics: Metrics
    crash: CrashPoint


def encoder_of(
    processor: Processor,
    catalogue: Catalogue,
    registry: Registry,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Callable[[Record], Encoded]:
    """What makes an event of the logic a record of the processor's topic: checked, completed, encoded.

    NotFound where the registry does not have the schema.
    """
    contract, schema = catalogue.topics[processor.publishes], catalogue.events[processor.publishes]
    validator = EventValidator(contract, schema, catalogue.codes)
    encoder = EventEncoder(contract, schema, registered_id(registry, contract, schema))

    def encode(event: Record) -> Encoded:
        complete = {**event, "source": processor.party, "published_at": clock()}
        validator.check(complete)
        return encoder.encode(complete)

    return encode


def open_processor(
    connection: Connection, feed_topic: str, published_topic: str, parts: Parts, failed: asyncio.Future[None]
) -> Any:
    """The app of a processor, ready to start; made inside the running event loop. `failed` gets what ends its work.

    Promised: each record of the feed is taken at least once, those of a key in order; its events and then its state are
    acknowledged before its offset is committed. Not promised: that it is taken once, or that its events are: they have
    the same ids each time. A process that stood still for longer than its session, while another took over, may still
    write the one state that it was about to write, older than the other's.
    """
    app = open_app(connection, parts.processor.group)
    raw = {"key_serializer": "raw", "value_serializer": "raw"}
    source, target = app.topic(feed_topic, **raw), app.topic(published_topic, **raw)
    changelog = app.topic(
        parts.processor.state_topic, key_serializer="json", value_serializer="json", acks=False, internal=True
    )
    table = AcknowledgedTable(app, name="state", changelog_topic=changelog)
    app.tables.add(table)

    @app.agent(source, concurrency=1)  # type: ignore[untyped-decorator]  # Faust is not typed here
    async def work(stream: Any) -> None:
        async for event in stream.noack().events():
            taken = asyncio.ensure_future(_take(event.message, table, target, parts))
            taken.add_done_callback(partial(_tell, failed))
            await taken
            event.ack()
            parts.crash.reach("after_ack")

    return app


def too_few(processor: Processor, event: Record) -> bool:
    """Whether the event counts fewer than it must to be of a lower class than what it was counted from."""
    return processor.counts is not None and event[processor.counts.field] < processor.counts.at_least


def _tell(failed: asyncio.Future[None], taken: asyncio.Future[None]) -> None:
    """Faust itself would only log it, and go on with the next record."""
    error = None if taken.cancelled() else taken.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)


async def _take(message: Any, table: Any, target: Any, parts: Parts) -> None:
    """One record: its events, then its state, each acknowledged."""
    began = time.perf_counter()
    parts.crash.reach("after_take")
    key, step = _step(message, table, parts)
    events = [event for event in step.events if not too_few(parts.processor, event)]
    sent = [await target.send(key=one.key, value=one.value) for one in map(parts.encode, events)]
    await asyncio.gather(*sent)
    parts.crash.reach("after_events")
    if step.state is not None:
        table[key] = step.state
        await table.sent
    parts.crash.reach("after_state")
    parts.metrics.seconds.observe(time.perf_counter() - began)
    parts.metrics.records[step.outcome].inc()
    for event in events:
        parts.metrics.events[event["status"]].inc()
    parts.metrics.keys.set(len(table))


def _step(message: Any, table: Any, parts: Parts) -> tuple[str, Step]:
    try:
        record = parts.decoder.decode(message.value)
    except Undecodable as error:
        place = f"{message.topic}, partition {message.partition}, offset {message.offset}"
        raise Stopped(f"{place} cannot be read: {error}; show this to the operator of the bus") from None
    key = parts.logic.key(record)
    return key, parts.logic.step(table.get(key), record)
