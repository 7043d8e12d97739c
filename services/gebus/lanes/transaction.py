"""One transaction of a worker: the written order of its steps, and what happens if one fails.

    1  begin     before the first record of a batch is taken
    2  produce   every delivered record and every dead letter of the batch; 1 and 2 repeat until the interval is over
    3  leaves    what was delivered, for ledger and usage, one record a feed, slice and mode
    4  state     what changed in the kernel, one record to the partition of its slice
    5  offsets   the positions of every live partition, with the group's metadata (KIP-447)
    6  commit    all of it becomes visible at once, or none
    7  forget    the kernel drops what it would need to go back

| if this fails | then |
| --- | --- |
| 1 begin | nothing was taken; the session ends |
| 2 produce, 3 leaves, 4 state | a new producer of the slot aborts it, or the broker after 15 s; the session ends; \
the next restores the committed state and redoes the batch |
| 5 offsets refused: the group gave the slices away | as for 2; their new owner redoes the batch |
| 6 commit refused | as for 2; so too where a topic must not be written, that of the leaves or any other: nothing is \
delivered, and as soon as it may be written, all is |
| 5, 6 without an answer: the outcome is unknown | the session ends; the next waits until the broker has decided, then \
reads state and offsets, which agree either way |
| 7 forget: the worker dies before it | all is committed; the next owner goes on after it |
| any: fenced | the worker leaves the process |

A transaction is never aborted here, and a producer is never used again after a failure: a delayed answer to an old
request could end the next transaction of the same producer (KAFKA-17754). Its successor's first act aborts what is
open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from gebus_kernel import Kernel

from gebus.lanes.crash import CrashPoint
from gebus.lanes.errors import SessionEnded, in_our_words, told
from gebus.lanes.leaves import Leaves
from gebus.lanes.places import Slice
from gebus.lanes.ports import Clock, Producer
from gebus.lanes.settings import LaneSettings, state_topic
from gebus.lanes.snapshots import Snapshots
from gebus.model.errors import Denied
from gebus.model.leaf import LEAF_TOPIC


@contextmanager
def _hoping() -> Iterator[None]:
    """Whoever lost the right to write a topic tries again: it was there when the worker began, and comes back."""
    try:
        yield
    except Denied as error:
        raise SessionEnded(f"{error}; until then nothing is delivered, and nothing lost") from error


class Transaction:
    """The transactions of one producer, one after the other.

    Promised: what was given to it between `begin` and `commit` becomes visible to read_committed consumers as a
    whole or not at all; after any error it must not be used again. Not promised: that a commit which raised did not
    happen.
    """

    def __init__(
        self,
        producer: Producer,
        kernel: Kernel,
        clock: Clock,
        settings: LaneSettings,
        *,
        crash: CrashPoint,
        snapshots: Snapshots,
        leaves: Leaves,
    ) -> None:
        self._producer, self._kernel, self._clock = producer, kernel, clock
        self._settings, self._crash, self._snapshots, self._leaves = settings, crash, snapshots, leaves
        self._opened: float | None = None

    @property
    def open(self) -> bool:
        return self._opened is not None

    @property
    def due_in(self) -> float:
        """Seconds until the open transaction should be committed; the whole interval if none is open."""
        if self._opened is None:
            return self._settings.commit_interval
        return self._opened + self._settings.commit_interval - self._clock.monotonic()

    def begin(self) -> None:
        """Open one, unless one is open."""
        if self._opened is None:
            with told("beginning a transaction"):
                self._producer.begin_transaction()
            self._opened = self._clock.monotonic()

    def deliver(self, topic: str, messages: list[dict[str, Any]]) -> None:
        """Produce the records of a batch for one topic, in order; where they name their partition, in that."""
        if messages and "partition" in messages[0]:
            of: dict[int, list[dict[str, Any]]] = {}
            for message in messages:
                of.setdefault(message.pop("partition"), []).append(message)
            for partition, mine in of.items():
                self._deliver(topic, mine, partition=partition)
        else:
            self._deliver(topic, messages)

    def _deliver(self, topic: str, messages: list[dict[str, Any]], **where: int) -> None:
        # The client heeds a partition for the whole batch alone.
        deadline = self._clock.monotonic() + self._settings.produce_timeout
        taken = self._producer.produce_batch(topic, messages, **where)
        while taken < len(messages):
            rest = [message for message in messages if "_error" in message]
            for message in rest:
                error = message.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    with _hoping():
                        raise in_our_words(self._cause(error), f"producing to {topic}")
            # Full means full for all that follow, so that the rest is the end of the batch and order holds.
            self._wait_for_room(topic, deadline)
            messages = rest
            taken = self._producer.produce_batch(topic, messages, **where)

    def produce(self, topic: str, value: bytes | None, **also: Any) -> None:
        """Produce one record: a dead letter, or a record of the state."""
        deadline = self._clock.monotonic() + self._settings.produce_timeout
        while True:
            try:
                self._producer.produce(topic, value, **also)
            except BufferError:
                self._wait_for_room(topic, deadline)
            except KafkaException as error:
                with _hoping():
                    raise in_our_words(self._cause(error.args[0]), f"producing to {topic}") from error
            else:
                return

    def commit(self, positions: Sequence[TopicPartition], group_metadata: Any) -> list[int]:
        """Commit all of it with the positions it was made from; returns how long delivered records took, in buckets."""
        if leaves := self._leaves.messages(self._kernel.leaves(), self._clock.now_ms()):
            self._deliver(LEAF_TOPIC, leaves, partition=0)
        for lane, slice_number, key, value in self._kernel.state():
            # Where it comes to lie is the position of the snapshot that holds it.
            self._snapshots.producing(Slice(lane, slice_number), key, value)
            report = self._snapshots.delivered
            self.produce(state_topic(lane), value, key=key, partition=slice_number, on_delivery=report)
        self._crash.reach("after_produce", self._settle)
        timeout = self._settings.commit_timeout
        with _hoping(), told("adding the offsets to a transaction"):
            self._producer.send_offsets_to_transaction(list(positions), group_metadata, timeout)
        self._crash.reach("after_offsets", self._settle)
        with _hoping(), told("committing a transaction"):
            self._producer.commit_transaction(timeout)
        self._crash.reach("after_commit")
        self._opened = None
        return self._kernel.commit(self._clock.now_ms())

    def _wait_for_room(self, topic: str, deadline: float) -> None:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise SessionEnded(
                f"the producer's queue stayed full for {self._settings.produce_timeout:g} s while producing to "
                f"{topic}; is the broker reachable?"
            )
        self._producer.poll(min(left, 0.1))

    def _cause(self, error: KafkaError) -> KafkaError:
        """What made the producer fatal: produce() tells only that it is, ending the transaction tells why."""
        if error.code() == KafkaError._FATAL:
            try:
                self._producer.abort_transaction(0)
            except KafkaException as told_why:
                cause: KafkaError = told_why.args[0]
                return cause
        return error

    def _settle(self) -> None:
        self._producer.flush(self._settings.produce_timeout)
