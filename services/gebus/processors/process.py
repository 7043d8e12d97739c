"""A processor as a process: what it is made of, how it is stopped, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gebus import plan
from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.kafka import Connection
from gebus.kafka.decoding import FeedDecoder
from gebus.kafka.processor_clients import require_access
from gebus.kafka.registry import Registry
from gebus.lanes.crash import CrashPoint
from gebus.model.catalogue import Catalogue
from gebus.model.errors import NotFound, Stopped
from gebus.model.processor import Processor
from gebus.processors import PROCESSORS
from gebus.processors.app import CRASH_POINTS, Parts, encoder_of, open_processor
from gebus.processors.metrics import Metrics

_STOP_SECONDS = 20
"""Longer than Faust takes to leave its group where the broker answers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessorOptions:
    """What one processor process is told."""

    name: str
    catalogue: Path
    metrics_port: int | None


def run_processor(options: ProcessorOptions) -> None:
    """Work until SIGTERM or SIGINT, then stop within seconds.

    Raises what ended it, if that was not a signal: nothing is lost, and it begins where it was when it is run again.
    """
    catalogue = load(options.catalogue)
    plan.lanes(catalogue)
    processor = _find(catalogue, options)
    logic = PROCESSORS[processor.processor](catalogue.codes)
    connection = Connection.load(processor.party)
    feed_topic = catalogue.feeds[processor.feed].kafka_topic
    published_topic = catalogue.topics[processor.publishes].kafka_topic(processor.party)
    require_access(connection, processor.group, (feed_topic, published_topic, processor.state_topic))
    with ExitStack() as open_things:
        registry = open_things.enter_context(Registry(connection))
        metrics = Metrics(processor.processor, logic.outcomes)
        if options.metrics_port is not None:
            open_things.callback(metrics.serve(options.metrics_port).shutdown)
        parts = Parts(
            processor=processor,
            logic=logic,
            encode=encoder_of(processor, catalogue, registry),
            decoder=FeedDecoder(registry.schema_by_id),
            metrics=metrics,
            crash=CrashPoint(os.environ, points=CRASH_POINTS),
        )
        asyncio.run(_serve(connection, feed_topic, published_topic, parts))


def _find(catalogue: Catalogue, options: ProcessorOptions) -> Processor:
    processor = catalogue.processors.get(options.name)
    if processor is None:
        known = ", ".join(catalogue.processors) or "none"
        advice = nearest(options.name, catalogue.processors) or f"it has {known}"
        raise NotFound(f"{options.catalogue} has no processor {options.name}; {advice}")
    if processor.processor not in PROCESSORS:
        raise NotFound(
            f"processors/{options.name}.yaml: this version of gebus has no program {options.name}; "
            f"it has {', '.join(PROCESSORS)}"
        )
    return processor


async def _serve(connection: Connection, feed_topic: str, published_topic: str, parts: Parts) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    failed: asyncio.Future[None] = loop.create_future()
    app = open_processor(connection, feed_topic, published_topic, parts, failed)
    asked = asyncio.ensure_future(stop.wait())
    starting = asyncio.ensure_future(app.start())
    try:
        await asyncio.wait((starting, asked, failed), return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not asked.done():
            starting.result()
            _log.info("%s: ready", parts.processor.processor)
            ended = asyncio.ensure_future(app.wait_until_stopped())
            await asyncio.wait((ended, asked, failed), return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()
        if not asked.done():
            raise Stopped(f"{parts.processor.processor}: its Kafka client ended: {app.crash_reason!r}; run it again")
    finally:
        # Faust waits for every record that was taken; the one that it failed at is never done.
        app.conf.stream_wait_empty = not failed.done()
        await asyncio.wait_for(app.stop(), _STOP_SECONDS)
        asked.cancel()
        starting.cancel()
    _log.info("%s: stopped", parts.processor.processor)
