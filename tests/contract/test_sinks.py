"""What every connector that reads a feed keeps to, on the real stack."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.contract.bus import CONSUMER, Bus, wait_until
from tests.contract.connectors import Read, Sink
from tests.contract.network import Relay

from gebus.kafka import Connection
from gebus.model.errors import GebusError, Stopped


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    """A group that no other test has."""
    return f"{request.node.name}.{time.time_ns()}"


@pytest.fixture
def make(sink_type, bus: Bus, group: str):
    """Open a sink; it is closed at the end of the test."""
    opened: list[Sink] = []

    def open_sink(connection: Connection | None = None) -> Sink:
        sink: Sink = sink_type(connection or bus.connection(CONSUMER), group)
        sink.open()
        opened.append(sink)
        return sink

    yield open_sink
    for sink in opened:
        sink.close()


def read(sink: Sink, count: int, *, settle: bool = True, timeout: float = 40) -> list[Read]:
    """The next records, at least `count` of them."""
    found: list[Read] = []
    end = time.monotonic() + timeout
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} records within {timeout} s"
        batch = sink.read()
        for record in batch:
            if settle:
                record.settle()
        found += batch
    return found


def numbers(found: list[Read], partition: int | None = None) -> list[int]:
    return [record.number for record in found if partition is None or record.partition == partition]


def test_it_opens_and_closes_and_closes_again(make) -> None:
    sink = make()
    sink.close()
    sink.close()


def test_it_may_be_closed_before_it_is_opened(sink_type, bus: Bus, group: str) -> None:
    sink_type(bus.connection(CONSUMER), group).close()


def test_nothing_is_read_after_close(make) -> None:
    sink = make()
    sink.close()
    with pytest.raises(GebusError, match="not open"):
        sink.read()


def test_a_record_comes_with_its_place_and_shows_no_payload(make, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({1: [bus.feed_value(7, event_id="secret-id")]})
    (record,) = read(make(), 1)
    assert (record.number, record.partition, record.offset) == (7, 1, 0)
    assert record.delivery.record["event_id"] == "secret-id"
    assert abs(record.delivery.appended_at.timestamp() - time.time()) < 60
    assert repr(record.delivery) == f"Delivery({bus.feed_topic!r}, partition=1, offset=0)"


def test_a_batch_arrives_whole_and_each_partition_in_order(make, bus: Bus) -> None:
    with bus.delivering() as deliver:
        for first in range(0, 2000, 500):
            values = [bus.feed_value(number) for number in range(first, first + 500)]
            deliver({0: values[::2], 1: values[1::2]})
    found = read(make(), 2000)
    assert numbers(found, 0) == list(range(0, 2000, 2))
    assert numbers(found, 1) == list(range(1, 2000, 2))


def test_what_was_aborted_never_arrives(make, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1)]})
        deliver({0: [bus.feed_value(2)]}, abort=True)
        deliver({0: [bus.feed_value(3)]})
    assert numbers(read(make(), 2)) == [1, 3]


def test_what_was_settled_does_not_come_again(make, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(20)]})
        sink = make()
        assert numbers(read(sink, 20)) == list(range(20))
        sink.close()
        deliver({0: [bus.feed_value(20)]})
    assert numbers(read(make(), 1)) == [20]


def test_nothing_after_an_unsettled_record_counts_as_read(make, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(10)]})
    sink = make()
    for record in read(sink, 10, settle=False):
        if record.number != 3:
            record.settle()
    sink.close()
    assert numbers(read(make(), 7)) == list(range(3, 10))


def test_settling_twice_and_from_another_thread_is_settling(make, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(10)]})
        sink = make()
        found = read(sink, 10, settle=False)
        threads = [threading.Thread(target=record.settle) for record in (*found, *found)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sink.close()
        deliver({0: [bus.feed_value(10)]})
    assert numbers(read(make(), 1)) == [10]


def test_a_lost_connection_loses_nothing(make, bus: Bus, relay: Relay) -> None:
    with bus.delivering() as deliver:
        sink = make(relay.through(bus.connection(CONSUMER)))
        found: list[Read] = []
        for first in (0, 100, 200):
            deliver({0: [bus.feed_value(number) for number in range(first, first + 100)]})
            found += read(sink, 50)
            relay.cut()
            relay.restore()
        while max(numbers(found)) < 299:
            found += read(sink, 1)
    assert sorted(set(numbers(found))) == list(range(300))


def test_it_holds_no_more_than_its_bound_and_says_so(make, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(1000)]})
    sink = make()
    held: list[Read] = []

    def read_on() -> None:
        while True:
            held.extend(sink.read(0.2))

    with pytest.raises(Stopped, match="handed out and none of them was settled"):
        read_on()
    assert set(numbers(held)) == set(range(100))
    for record in held:
        record.settle()
    assert numbers(read(sink, 900)) == list(range(100, 1000))


def test_a_second_member_takes_a_share_and_nothing_is_missed(make, bus: Bus) -> None:
    done, threads = threading.Event(), []

    def start_reader() -> list[Read]:
        sink: Sink = make()
        found: list[Read] = []

        def run() -> None:
            while not done.is_set():
                batch = sink.read(0.2)
                for record in batch:
                    record.settle()
                found.extend(batch)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return found

    readers: list[list[Read]] = []
    count = 0
    with bus.delivering() as deliver:
        try:
            for _ in range(2):
                readers.append(start_reader())
                while not readers[-1]:
                    assert count < 2000, "a member got nothing"
                    deliver({0: [bus.feed_value(count)], 1: [bus.feed_value(count + 1)]})
                    count += 2
            wait_until(lambda: {number for found in readers for number in numbers(found)} == set(range(count)))
        finally:
            done.set()
            for thread in threads:
                thread.join(30)


def read_until(sink: Sink, wanted: set[int]) -> list[Read]:
    """Records, none of them settled, until these numbers were among them."""
    found: list[Read] = []
    end = time.monotonic() + 40
    while not wanted <= set(numbers(found)):
        assert time.monotonic() < end, f"{wanted - set(numbers(found))} did not come; got {found}"
        found += sink.read()
    return found


def test_a_rebalance_does_not_pass_over_what_is_unsettled(make, bus: Bus) -> None:
    """kafka-python goes on reading after its position where a partition stays with a member: the record that was
    unsettled when the rebalance came must hold the stored position back all the same.
    """
    old, middle, new = set(range(20)), set(range(100, 120)), set(range(200, 220))
    with bus.delivering() as deliver:

        def deliver_to_both(wanted: set[int]) -> None:
            values = [bus.feed_value(number) for number in sorted(wanted)]
            deliver({0: values[:10], 1: values[10:]})

        deliver_to_both(old)
        first = make()
        read_until(first, old)
        second, taken = make(), []
        wait_until(lambda: not first.read(0.1) and bool(taken.extend(second.read(0.1)) or taken), 40)
        second.close()
        deliver_to_both(middle)
        read_until(first, middle)  # so it has both partitions again, and all rebalances are over
        deliver_to_both(new)
        for record in read_until(first, new):
            if record.number in new:
                record.settle()
        first.close()
    assert {record.number for record in read_until(make(), old | middle | new)} == old | middle | new


_VICTIM = """
import sys, time
from tests.contract import bus, connectors
from gebus.kafka import Connection
from pathlib import Path
[kind] = [kind for kind in connectors.SINKS if kind.__name__ == sys.argv[1]]
sink = kind(Connection.load(bus.CONSUMER, Path(sys.argv[2])), sys.argv[3])
sink.open()
while True:
    for record in sink.read():
        if record.number < 30:
            record.settle()
            print(record.number, flush=True)
"""


def test_a_killed_reader_loses_nothing(sink_type, make, bus: Bus, stack, group: str) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(60)]})
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, sink_type.__name__, str(stack.home), group],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert victim.stdout is not None
        printed = [int(victim.stdout.readline()) for _ in range(30)]
        assert printed == list(range(30))
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.communicate(timeout=10)
    found = numbers(read(make(), 30))
    assert found == list(range(found[0], 60))
    assert found[0] <= 30


def test_it_stops_while_the_broker_is_silent(make, bus: Bus, relay: Relay) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1)]})
    sink = make(relay.through(bus.connection(CONSUMER)))
    read(sink, 1)
    relay.hold()
    began = time.monotonic()
    assert sink.read() == []
    sink.close()
    assert time.monotonic() - began < 15
