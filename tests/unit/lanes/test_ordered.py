"""A worker whose lane takes its topics in the order of the log's time, on a fake log."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition
from tests.unit.lanes.conftest import PLACES, Bench, Crashed
from tests.unit.lanes.fake_kafka import FakeConsumer, FakeProducer, kafka_error
from tests.unit.lanes.test_blocked import SUBJECT, run_until

from gebus.lanes.places import Place

X, Y = PLACES[0], PLACES[2]


def publish_in_turn(bench: Bench, count: int, start: int = 0) -> list[str]:
    """Records of both topics, a moment after each other; what the feed must hold."""
    for number in range(start, start + count):
        bench.publish(f"text-{number}", place=(X, Y)[number % 2])
        bench.clock.pass_(0.01)
    return [f"TEXT-{number}" for number in range(start, start + count)]


@pytest.fixture
def bench(ordered_bench: Bench) -> Bench:
    return ordered_bench


def test_topics_are_taken_in_the_order_of_the_log(bench: Bench) -> None:
    wanted = publish_in_turn(bench, 50)
    bench.run()
    assert bench.delivered() == wanted
    assert (bench.kafka.committed[X], bench.kafka.committed[Y]) == (25, 25)


def test_live_the_order_is_the_same_as_afterwards(bench: Bench) -> None:
    """The side that comes first in a batch is not the one that was published first."""
    wanted: list[str] = []
    original, turns = FakeConsumer.consume, [0]

    def consume(self, num_messages, timeout):
        turns[0] += 1
        if turns[0] % 7 == 0:
            wanted.extend(publish_in_turn(bench, 3, start=len(wanted)))
        return original(self, num_messages, timeout)[::1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        bench.run(turns=150)
    bench.run()
    assert len(wanted) > 30
    assert bench.delivered() == wanted


def test_a_side_that_never_comes_holds_nobody_up(bench: Bench) -> None:
    bench.publish("one", "two", place=Y)
    started = bench.clock.now
    run_until(bench, lambda: len(bench.delivered()) == 2)
    assert bench.delivered() == ["ONE", "TWO"]
    assert bench.clock.now - started < 1
    assert all(set(question) <= {X} for question in bench.clients.asked[-1].questions)


def test_an_open_transaction_of_one_input_holds_the_others_back_until_it_is_decided(bench: Bench) -> None:
    writer = FakeProducer(bench.kafka, "gebus.lanes.7")
    writer.init_transactions(1)
    writer.begin_transaction()
    writer.produce(X[0], b"one", partition=X[1])
    bench.clock.pass_(0.01)
    bench.publish("two", place=Y)
    bench.run(turns=40)
    assert bench.delivered() == []
    assert Y not in bench.kafka.committed, "what was not released is read again"
    writer.commit_transaction(1)
    bench.run()
    assert bench.delivered() == ["ONE", "TWO"]


@pytest.mark.parametrize("point", ["after_poll", "after_produce", "after_offsets", "after_commit"])
def test_a_worker_killed_with_records_in_its_hands_changes_nothing(bench: Bench, point: str) -> None:
    bench.environment = {"GEBUS_CRASH_AT": point, "GEBUS_CRASH_COUNT": "2"}
    wanted = publish_in_turn(bench, 5)
    worker = bench.worker()
    bench.run(worker)
    wanted += publish_in_turn(bench, 20, start=5)
    with pytest.raises(Crashed):
        bench.run(worker)
    bench.environment = {}
    wanted += publish_in_turn(bench, 5, start=25)
    bench.run()
    assert bench.delivered() == wanted


def test_a_failed_commit_is_redone_in_the_same_order(bench: Bench) -> None:
    wanted = publish_in_turn(bench, 30)
    reached = [0]

    def fail(step: str) -> Exception | None:
        reached[0] += step == "commit"
        return kafka_error(KafkaError._TIMED_OUT) if step == "commit" and reached[0] == 1 else None

    bench.kafka.before = fail
    bench.run()
    assert bench.delivered() == wanted
    assert bench.meter.sessions == 1


def test_a_blocked_record_holds_its_slice_back_in_all_topics_and_no_other(bench: Bench) -> None:
    bench.registry.down = True
    bench.publish("one", place=X)
    bench.clock.pass_(0.01)
    bench.publish("schema7 a", place=Y)
    bench.clock.pass_(0.01)
    bench.publish("two", "three", place=X)
    bench.clock.pass_(0.01)
    bench.publish("four", place=Y)
    bench.publish("other", place=PLACES[1])
    run_until(bench, lambda: len(bench.registry.asked) >= 3)
    assert sorted(bench.delivered()) == ["ONE", "OTHER"]
    assert (bench.kafka.committed[X], bench.kafka.committed[Y]) == (1, 0)
    bench.registry.down = False
    bench.registry.subjects[7], bench.registry.schemas[7] = SUBJECT, "{}"
    run_until(bench, lambda: len(bench.delivered()) == 6)
    assert [text for text in bench.delivered() if text != "OTHER"] == ["ONE", "SCHEMA7 A", "TWO", "THREE", "FOUR"]


def test_what_finds_no_room_in_a_batch_is_taken_by_the_next(bench: Bench) -> None:
    bench.publish("one", "full two", "three", place=X)
    bench.clock.pass_(0.01)
    bench.publish("full four", "five", place=Y)
    run_until(bench, lambda: len(bench.delivered()) == 5)
    assert bench.delivered() == ["ONE", "FULL TWO", "THREE", "FULL FOUR", "FIVE"]
    assert bench.kafka.committed[X] == 3


def test_at_the_ceiling_of_dead_letters_the_slice_waits_for_people(bench: Bench) -> None:
    bench.publish("one", "ceiling", place=X)
    bench.clock.pass_(0.01)
    bench.publish("two", place=Y)
    bench.publish("other", place=PLACES[3])
    bench.run(turns=100)
    assert sorted(bench.delivered()) == ["ONE", "OTHER"]
    assert bench.kafka.committed[X] == 1


def test_an_input_that_runs_ahead_is_paused_and_goes_on(bench: Bench) -> None:
    bench.settings = type(bench.settings)(ahead_records=20, batch=5)
    bench.publish(*(f"x-{number}" for number in range(100)), place=X)
    paused: list[int] = []
    original = FakeConsumer.consume

    def consume(self, num_messages, timeout):
        paused.append(X in self.paused)
        if len(paused) == 150:
            bench.clock.pass_(0.01)
            bench.publish("y", place=Y)
        # Until then the other side is not known to be read to its end: its transaction is open.
        return original(self, num_messages, timeout)

    writer = FakeProducer(bench.kafka, "gebus.lanes.7")
    writer.init_transactions(1)
    writer.begin_transaction()
    writer.produce(Y[0], b"first", partition=Y[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        bench.run(turns=120)
        assert paused[-1]
        assert bench.delivered() == []
        writer.commit_transaction(1)
        bench.run(turns=400)
    assert bench.delivered()[-1] == "Y"
    assert len(bench.delivered()) == 102


@pytest.mark.parametrize("before", [True, False], ids=["taken away before the fetch", "after it"])
def test_a_share_that_loses_one_input_reads_them_all_again(bench: Bench, *, before: bool) -> None:
    """What a fetch gave of the others in the moment of the loss is not taken, though the client has passed it."""
    wanted = publish_in_turn(bench, 6)
    original, turns = FakeConsumer.consume, [0]

    def consume(self, num_messages, timeout):
        turns[0] += 1
        if turns[0] == 30:
            wanted.extend(publish_in_turn(bench, 6, start=6))
            if before:
                self.take([Y])
        messages = original(self, num_messages, timeout)
        if turns[0] == 30 and not before:
            assert X in {(message.topic(), message.partition()) for message in messages}
            self.callbacks["on_revoke"](self, [TopicPartition(*Y)])
        if turns[0] == 60:
            self.give([Y])
        return messages

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        bench.run(turns=120)
    assert bench.delivered() == wanted


def test_time_passes_in_a_slice_that_gets_no_records(bench: Bench) -> None:
    """A tick delivers what is due; its clock is that of the log, and never beyond what may still come."""
    bench.publish("one", place=PLACES[1])
    left = [400]

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 300:
            bench.kernels.made[-1].due[0] = True
        if left[0] == 200:
            bench.publish("two", place=PLACES[1])
        return left[0] < 0

    bench.worker().run(stopping, bench.clock.pass_)
    assert "TICK" in bench.delivered()
    kernel = bench.kernels.made[-1]
    newest = max(record.timestamp for record in bench.kafka.log[PLACES[1]])
    assert max(clock for number, clock in kernel.ticked if number == 0) <= newest + 1
    assert kernel.ticked == kernel.advanced


@pytest.mark.parametrize(("came", "behind"), [(True, 5_000), (False, 60_000)], ids=["since a record", "at all"])
def test_time_passes_where_nothing_is_published(bench: Bench, *, came: bool, behind: int) -> None:
    """A moment behind the time that has passed since the last record, else a minute behind the machine's clock."""
    bench.publish("one", place=X)
    if not came:
        bench.run()
    left, later = [400], 600.0

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 300:
            bench.clock.pass_(later)
        return left[0] < 0

    bench.worker().run(stopping, bench.clock.pass_)
    last = max(clock for _, clock in bench.kernels.made[-1].ticked)
    newest = bench.kafka.log[X][0].timestamp
    assert newest + 1000 * later - behind - 1_000 < last <= bench.clock.now_ms() - behind


def test_what_waits_for_its_turn_is_shown(bench: Bench) -> None:
    writer = FakeProducer(bench.kafka, "gebus.lanes.7")
    writer.init_transactions(1)
    writer.begin_transaction()
    writer.produce(X[0], b"one", partition=X[1])
    bench.publish("two", "three", place=Y)
    left = [60]

    def stopping() -> bool:
        left[0] -= 1
        bench.meter._wanted.set()
        return left[0] < 0

    bench.worker().run(stopping, bench.clock.pass_)
    assert bench.meter._last.buffered[Place(*Y)] == 2
    assert bench.meter._last.lags[Place(*Y)].records == 2


def test_records_gone_from_the_log_stop_their_slice_and_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    original = FakeConsumer.consume

    def consume(self, num_messages, timeout):
        found = original(self, num_messages, timeout)
        if X in self.seen and X not in self.paused:
            error = KafkaError(KafkaError._AUTO_OFFSET_RESET, "gone")
            found.append(Message(topic=X[0], partition=X[1], offset=7, error=error))
        return found

    bench.publish("one", place=X)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        bench.publish("other", place=PLACES[1])
        bench.clock.pass_(0.01)
        bench.publish("two", place=Y)
        bench.run(turns=100)
    assert bench.delivered() == ["OTHER"]
    assert "a.b.x/0 stopped: records that were not taken yet are gone from the log" in caplog.text
    assert "`gebus reset-offsets a.b.x`" in caplog.text


def test_a_topic_that_was_made_anew_is_not_read_from_its_beginning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    new = bench.kernels.new

    def remembers(**how: bool):
        kernel = new(**how)
        kernel.counts["taken", X[1], X[0]] = 2
        return kernel

    bench.kernels.new = remembers  # type: ignore[method-assign]
    bench.publish("three", place=X)
    bench.publish("other", place=PLACES[1])
    bench.run()
    assert bench.delivered() == ["OTHER"]
    assert "a.b.x/0 stopped: the group of the lanes has no offset, although records of it were taken" in caplog.text


def test_a_topic_that_is_deleted_under_a_lane_is_named(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.publish("one", place=Y)
    original, turns = FakeConsumer.consume, [0]

    def consume(self, num_messages, timeout):
        turns[0] += 1
        if turns[0] == 100:
            bench.kafka.deleted.add(X[0])
            self.take([X, PLACES[1]])
        return original(self, num_messages, timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        bench.run(turns=200)
    assert bench.delivered() == ["ONE"]
    assert "a.b.x/0 stopped: Kafka has no such topic: it was deleted, or never made" in caplog.text
    assert bench.meter.sessions == 0
