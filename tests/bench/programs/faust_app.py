"""W1 on Faust: at least once, an event at a time, the ids it has seen in memory alone.

A table with a changelog, which would keep them over a restart, halves the rate.
"""

from __future__ import annotations

import ssl
import sys
from typing import Any

import faust
from faust.auth import SASLCredentials
from tests.bench.programs.task import Task, Work


def application(task: Task) -> faust.App:
    app = faust.App(
        task.group,
        broker=f"kafka://{task.bootstrap}",
        broker_credentials=SASLCredentials(
            username=task.username,
            password=task.password,
            ssl_context=ssl.create_default_context(cafile=task.ca_file),
            mechanism="SCRAM-SHA-512",
        ),
        value_serializer="raw",
        key_serializer="raw",
        store="memory://",
        datadir=task.state,
        topic_disable_leader=True,
        topic_replication_factor=1,
        topic_partitions=4,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=0.1,
        broker_commit_every=100_000,
        producer_compression_type="lz4",
        producer_linger=0.02,
    )
    work = Work(task)
    source = app.topic(task.source, key_type=bytes, value_type=bytes)
    output = app.topic(task.output, key_type=bytes, value_type=bytes)
    seen = set[str]()

    @app.agent(source, concurrency=1)
    async def once(stream: Any) -> None:
        async for event in stream.events():
            report = work.decode(event.value)
            repeat = report["event_id"] in seen
            seen.add(report["event_id"])
            delivered = None if repeat else work.deliver(report)
            if delivered is not None:
                await output.send(key=event.key, value=delivered)
            work.count(repeat=repeat, delivered=delivered is not None)

    return app


if __name__ == "__main__":
    task = Task.read(sys.argv.pop())
    sys.argv += ["worker", "--loglevel", "error"]
    application(task).main()
