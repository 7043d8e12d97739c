"""W1 on confluent-kafka and fastavro in a bare loop: batches, at least once, the ids it has seen in memory alone."""

from __future__ import annotations

import signal
import sys
import time

from confluent_kafka import Consumer, Producer
from tests.bench.programs.task import Task, Work

COMMIT_SECONDS = 0.1


def main(task: Task) -> None:
    consumer = Consumer(
        {
            **task.librdkafka(),
            "group.id": task.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 65_536,
            "fetch.queue.backoff.ms": 5,
        }
    )
    producer = Producer(
        {
            **task.librdkafka(),
            "linger.ms": 20,
            "compression.type": "lz4",
            "batch.size": 1_000_000,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    consumer.subscribe([task.source])
    work, seen, done = Work(task), set[str](), False
    last = time.monotonic()
    while not done:
        outputs = []
        for message in consumer.consume(1_000, 0.05):
            report = work.decode(message.value() or b"")
            repeat = report["event_id"] in seen
            seen.add(report["event_id"])
            value = None if repeat else work.deliver(report)
            if value is not None:
                outputs.append({"value": value, "key": message.key()})
            done |= work.count(repeat=repeat, delivered=value is not None)
        if outputs:
            producer.produce_batch(task.output, outputs)
        if done or time.monotonic() - last > COMMIT_SECONDS:
            producer.flush()
            taken = [place for place in consumer.position(consumer.assignment()) if place.offset >= 0]
            if taken:
                consumer.commit(offsets=taken, asynchronous=False)
            last = time.monotonic()
    signal.pause()


if __name__ == "__main__":
    main(Task.read(sys.argv[1]))
