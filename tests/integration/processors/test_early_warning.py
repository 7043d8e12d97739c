"""Early warning on the real stack, from the hospitals to the CDC: each signal once, whatever is killed."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata
from tests.integration.processors.kit import GROUP, STATE_TOPIC, Bed, growing, visits
from tests.running_stack import wait_until

from gebus.kafka.edge import open_consumer
from gebus.kafka.lane_clients import open_producer
from gebus.processors.app import CRASH_POINTS

DAYS = 45
PLACE = TopicPartition("feed.yujing.visit-counts", 0)


def test_signals_and_their_corrections_reach_the_cdc(bed: Bed) -> None:
    regions = ["420101", "420102"]
    told = [event for region in regions for event in visits(region, DAYS, 1)]
    with bed.processor("--metrics-port", str(bed.stack.ports.base + 4)) as processor:
        processor.wait_for("ready")
        bed.publish(told)
        bed.assert_once_and_right(regions, len(told))
        metrics = httpx.get(f"http://127.0.0.1:{bed.stack.ports.base + 4}/metrics", timeout=10).text
        assert 'gebus_processor_records_total{outcome="corrected",processor="early-warning"} 8.0' in metrics
        assert 'gebus_processor_keys{processor="early-warning"} 2.0' in metrics
        assert processor.stop() == 0
        assert "stopped" in processor.said
    statuses = {one["status"] for one in bed.signals(regions)}
    assert statuses == {"ASSERTED", "CORRECTED", "RETRACTED"}


@pytest.mark.parametrize("number", range(1, 3), ids=CRASH_POINTS[1:3])
def test_a_processor_killed_at_a_step_loses_and_repeats_nothing(bed: Bed, tmp_path: Path, number: int) -> None:
    regions, marker = [f"4202{number:02d}"], tmp_path / "killed"
    told = growing(regions[0], DAYS)
    # In the middle: its table comes back from the log, and this record has signals, as those around it.
    crash = {"GEBUS_CRASH_AT": CRASH_POINTS[number], "GEBUS_CRASH_COUNT": "40", "GEBUS_CRASH_MARKER": str(marker)}
    bed.publish(told)
    with bed.processor(**crash) as processor:
        assert processor.ended() == -9, processor.said
    assert marker.exists()
    with bed.processor() as processor:
        bed.assert_once_and_right(regions, len(told))


def test_a_processor_killed_at_any_moment_loses_and_repeats_nothing(bed: Bed) -> None:
    regions = [f"4203{number:02d}" for number in range(8)]
    told = [event for region in regions for event in visits(region, DAYS, 3)]
    bed.publish(told)
    for kill in range(2):
        with bed.processor() as processor:
            before = len(bed.signals(regions))
            processor.wait_for("ready")
            wait_until(lambda least=before + kill + 1: len(bed.signals(regions)) >= least, 60)
            processor.kill()
    with bed.processor() as processor:
        bed.assert_once_and_right(regions, len(told))


def test_two_copies_by_mistake_are_as_one(bed: Bed) -> None:
    regions = [f"4204{number:02d}" for number in range(4)]
    told = [event for region in regions for event in visits(region, DAYS, 4)]
    with bed.processor() as one:
        one.wait_for("ready")
        bed.publish(told[: len(told) // 2])
        with bed.processor() as other:
            other.wait_for("ready")
            bed.publish(told[len(told) // 2 :])
            bed.wait_signals(regions, len(told))
            one.kill()
            more = visits("420499", DAYS, 4)
            bed.publish(more)
            bed.assert_once_and_right([*regions, "420499"], len(told) + len(more))


@pytest.mark.parametrize("remembered", [True, False], ids=["with its state", "without its state"])
def test_replayed_input_adds_nothing(bed: Bed, remembered: bool) -> None:
    regions = ["420501" if remembered else "420502"]
    told = visits(regions[0], DAYS, 5)
    with bed.processor() as processor:
        processor.wait_for("ready")
        bed.publish(told)
        before = bed.wait_signals(regions, len(told))
        assert processor.stop() == 0
    _go_to(bed, 0)
    if not remembered:
        topic = bed.stack.admin.topics()[STATE_TOPIC]
        bed.stack.admin.delete_topics([STATE_TOPIC])
        wait_until(lambda: STATE_TOPIC not in bed.stack.admin.topics())
        bed.stack.admin.create_topics([topic])
    with bed.processor() as processor:
        processor.wait_for("ready")
        more = visits("420599" if remembered else "420598", DAYS, 5)
        bed.publish(more)
        bed.wait_signals([more[0]["region"]], len(more))
        bed.assert_once_and_right(regions, len(told))
    assert bed.signals(regions) == before


def test_what_cannot_run_is_said_at_once(bed: Bed) -> None:
    done = bed.gebus("run", "processor", "early-warnings")
    assert done.returncode == 1
    assert "has no processor early-warnings; did you mean `early-warning`?" in done.stderr


def test_records_of_aborted_transactions_are_not_seen(bed: Bed) -> None:
    _write_to_feed(bed, b"garbage", commit=False)
    told = growing("420601", 20)
    with bed.processor() as processor:
        bed.publish(told)
        bed.assert_once_and_right(["420601"], len(told))
        assert processor.process.poll() is None


def test_a_record_that_cannot_be_read_ends_it_and_is_not_passed_over(bed: Bed) -> None:
    """The last of this module: nobody can read this feed to its end any more."""
    _write_to_feed(bed, b"garbage", commit=True)
    for _ in range(2):
        with bed.processor() as processor:
            assert processor.ended() == 1, processor.said
            processor.wait_for("cannot be read: not 0x00, a schema id and Avro; show this to the operator of the bus")
            assert "feed.yujing.visit-counts, partition 0, offset" in processor.said


def _write_to_feed(bed: Bed, value: bytes, *, commit: bool) -> None:
    """A record as of a lane, in a transaction that is committed or aborted."""
    producer = open_producer(bed.stack.connection("gebus-lanes"), 40)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(PLACE.topic, value, b"420601")
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def _go_to(bed: Bed, offset: int) -> None:
    """The group's offset of the feed, as an operator would set it."""
    consumer = open_consumer(bed.stack.connection("yujing"), GROUP)
    try:
        consumer.assign([PLACE])
        consumer.commit({PLACE: OffsetAndMetadata(offset, "", -1)})
        assert consumer.committed(PLACE) == offset
    finally:
        consumer.close()
