"""W1 on Quix Streams: exactly once, its RocksDB state, a commit each 100 ms. Runs in an environment of its own."""

from __future__ import annotations

import sys
from typing import Any

from quixstreams import Application, State
from quixstreams.kafka import ConnectionConfig
from tests.bench.programs.task import Task, Work


def main(task: Task) -> None:
    application = Application(
        broker_address=ConnectionConfig.from_librdkafka_dict(task.librdkafka()),
        consumer_group=task.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.1,
        state_dir=task.state,
        consumer_extra_config={"fetch.queue.backoff.ms": 5},
        producer_extra_config={
            "linger.ms": 20,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "transaction.timeout.ms": 10_000,
        },
        loglevel="WARNING",
    )
    source = application.topic(task.source, key_deserializer="bytes", value_deserializer="bytes")
    output = application.topic(task.output, key_serializer="bytes", value_serializer="bytes")
    work = Work(task)

    def once(value: bytes, state: State) -> Any:
        report = work.decode(value)
        repeat = state.exists(report["event_id"])
        if not repeat:
            state.set(report["event_id"], 1)
        delivered = None if repeat else work.deliver(report)
        work.count(repeat=repeat, delivered=delivered is not None)
        return delivered

    records = application.dataframe(source).apply(once, stateful=True)
    records.filter(lambda delivered: delivered is not None).to_topic(output)
    application.run()


if __name__ == "__main__":
    main(Task.read(sys.argv[1]))
