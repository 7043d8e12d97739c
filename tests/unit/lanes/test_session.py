"""A worker on a fake log: what it delivers, and what it does when something fails."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Message
from tests.unit.lanes.conftest import LANE, PLACES, Bench, Crashed
from tests.unit.lanes.fake_clients import FakeClients
from tests.unit.lanes.fake_kafka import COMMITTED, FakeConsumer, FakeProducer, kafka_error

from gebus.lanes.errors import Fenced
from gebus.model.errors import Denied, Stopped


def test_every_record_is_delivered_once_in_its_order(bench: Bench) -> None:
    bench.publish("one", "two", "one", "three")
    bench.publish("four", place=PLACES[3])
    bench.run()
    assert bench.delivered() == ["ONE", "TWO", "THREE", "FOUR"]
    assert {leaf.slice: leaf.count for leaf in bench.leaves()} == {0: 3, 1: 1}
    assert bench.kafka.committed[PLACES[0]] == 4


def test_an_idle_worker_opens_no_transaction(bench: Bench) -> None:
    begun = []
    bench.kafka.before = lambda step: begun.append(step) if step == "begin" else None
    bench.run()
    assert begun == []
    assert bench.meter.committed == 0


def test_records_that_only_change_state_are_committed_too(bench: Bench) -> None:
    bench.publish("one")
    bench.run()
    bench.publish("one")
    bench.run()
    assert bench.delivered() == ["ONE"]
    assert bench.kafka.committed[PLACES[0]] == 2


def test_a_new_worker_restores_what_the_old_one_remembered(bench: Bench) -> None:
    bench.publish("one", "two")
    bench.run()
    bench.publish("two", "three")
    bench.run()
    assert bench.delivered() == ["ONE", "TWO", "THREE"]


STEPS = ["begin", "produce", "offsets", "commit"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("passage", [1, 2, 3])
def test_a_failed_step_costs_and_repeats_nothing(bench: Bench, step: str, when: str, passage: int) -> None:
    """Each row of the table in `transaction`, the step undone or done when its answer is lost."""
    reached = [0]

    def fail(at: str) -> Exception | None:
        reached[0] += at == step
        return kafka_error(KafkaError._TIMED_OUT) if at == step and reached[0] == passage else None

    setattr(bench.kafka, when, fail)
    worker = bench.worker()
    for texts in (("one", "two"), ("two", "three"), ("four",)):
        bench.publish(*texts)
        bench.run(worker)
    assert reached[0] >= passage
    assert bench.delivered() == ["ONE", "TWO", "THREE", "FOUR"]
    assert sum(leaf.count for leaf in bench.leaves()) == 4
    assert bench.meter.sessions == 1
    assert len(bench.clients.producers) == 3 + 1, "a producer is never used again after an uncertain answer"


@pytest.mark.parametrize("point", ["after_poll", "after_produce", "after_offsets", "after_commit"])
def test_a_killed_worker_costs_and_repeats_nothing(bench: Bench, point: str) -> None:
    bench.environment = {"GEBUS_CRASH_AT": point, "GEBUS_CRASH_COUNT": "2"}
    worker = bench.worker()
    bench.publish("one", "two")
    bench.run(worker)
    bench.publish("two", "three", "four")
    with pytest.raises(Crashed):
        bench.run(worker)
    bench.environment = {}
    bench.run()
    assert bench.delivered() == ["ONE", "TWO", "THREE", "FOUR"]
    assert sum(leaf.count for leaf in bench.leaves()) == 4


def test_the_offsets_of_a_dead_worker_are_waited_for_before_state_is_read(bench: Bench) -> None:
    """Its transaction commits while its successor restores: were state read first, `one` would be delivered again."""
    bench.publish("one")
    bench.environment = {"GEBUS_CRASH_AT": "after_offsets"}
    with pytest.raises(Crashed):
        bench.run()
    (dying,) = bench.kafka.open.values()
    successor = FakeClients(bench.kafka, PLACES)
    bench.environment = {}
    waited = [0]
    ask = FakeConsumer.committed

    def committed(self, partitions, timeout):
        waited[0] += 1
        if waited[0] == 3:
            bench.kafka.decide(dying, COMMITTED)
        return ask(self, partitions, timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "committed", committed)
        bench.publish("one", "two")
        bench.run(bench.worker(slot=1, clients=successor))
    assert waited[0] >= 3
    assert bench.delivered() == ["ONE", "TWO"]


def test_a_state_that_an_open_transaction_holds_back_is_waited_for(bench: Bench) -> None:
    bench.publish("one")
    bench.environment = {"GEBUS_CRASH_AT": "after_produce"}
    with pytest.raises(Crashed):
        bench.run()
    (dying,) = bench.kafka.open.values()
    bench.environment = {}
    bench.run(bench.worker(slot=1, clients=FakeClients(bench.kafka, PLACES)), turns=20)
    assert bench.delivered() == [], "slice 0 is not live while its state is undecided"
    bench.kafka.decide(dying, "aborted")
    bench.run(bench.worker(slot=1, clients=FakeClients(bench.kafka, PLACES)))
    assert bench.delivered() == ["ONE"]


def test_a_state_that_never_becomes_stable_ends_the_session_and_names_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Another slot's transaction hangs for longer than any may: the worker tries again, and says for what it waits."""
    hanging = FakeProducer(bench.kafka, "gebus.lanes.7")
    hanging.init_transactions(1)
    hanging.begin_transaction()
    hanging.produce(f"gebus.state.{LANE}", b"[]", partition=0, key=b"seen")
    bench.publish("one")
    bench.publish("two", place=PLACES[1])
    bench.run(turns=3_000)
    assert bench.delivered() == ["TWO"]
    assert "slice a.b/0 could not be restored: nothing came for 120 s, after 0 records" in caplog.text


def test_a_broker_that_forgets_to_answer_the_take_over_ends_the_session(bench: Bench) -> None:
    bench.kafka.before = lambda step: kafka_error(KafkaError._TIMED_OUT, retriable=True) if step == "init" else None
    with pytest.raises(Stopped, match="taking over the slot's transactional id"):
        bench.run(turns=10**5)


def test_a_fenced_worker_leaves(bench: Bench) -> None:
    bench.publish("one")
    worker = bench.worker()
    bench.run(worker)

    def fence(step: str) -> None:
        if step == "produce":
            bench.kafka.before = lambda _: None
            FakeProducer(bench.kafka, "gebus.lanes.0").init_transactions(1)

    bench.kafka.before = fence
    bench.publish("two")
    with pytest.raises(Fenced, match="another process took this slot"):
        bench.run(worker)
    bench.kafka.before = lambda _: None
    bench.run()
    assert bench.delivered() == ["ONE", "TWO"]


def test_a_slot_is_taken_over_only_after_the_group_gave_it_partitions(bench: Bench) -> None:
    bench.clients.places = []
    bench.publish("one")
    bench.run()
    assert bench.clients.producers == [], "a twin that the group keeps waiting fences nobody"


def test_partitions_that_are_revoked_are_committed_first(bench: Bench) -> None:
    bench.publish("one")
    bench.settings = type(bench.settings)(commit_interval=1e9)
    original = FakeConsumer.consume

    def consume(self, num_messages, timeout):
        if self.seen.get(PLACES[0]) == 1 and bench.kafka.open:
            self.take([PLACES[0], PLACES[2]])
        return original(self, num_messages, timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        bench.run()
    assert bench.delivered() == ["ONE"]
    assert set(bench.kernels.made[-1].slices) == {1}


def test_slices_that_come_and_go_are_said_once_and_empty_ones_are_no_news(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    original, turns = FakeConsumer.consume, [0]

    def consume(self, num_messages, timeout):
        turns[0] += 1
        if turns[0] == 30:
            self.take([PLACES[0], PLACES[2]])
        return original(self, num_messages, timeout)

    with pytest.MonkeyPatch.context() as patch, caplog.at_level("INFO", "gebus.lanes"):
        patch.setattr(FakeConsumer, "consume", consume)
        bench.run()
    said = [record.getMessage() for record in caplog.records]
    assert said == ["gained slices a.b/0, a.b/1; 2 are live", "lost slices a.b/0; 1 are live"]


def test_offsets_of_a_member_that_the_group_gave_up_are_refused_and_redone(bench: Bench) -> None:
    bench.publish("one")

    def expire(step: str) -> None:
        if step == "produce":
            bench.kafka.before = lambda _: None
            bench.kafka.generation += 1

    bench.kafka.before = expire
    bench.run()
    assert bench.delivered() == ["ONE"]
    assert (bench.meter.sessions, bench.meter.abandoned) == (1, 1)


def test_a_worker_whose_partitions_were_lost_leaves(bench: Bench) -> None:
    bench.publish("one")
    worker = bench.worker()
    bench.run(worker)
    original = FakeConsumer.consume

    def consume(self, num_messages, timeout):
        if len(bench.clients.sources) == 2 and self.seen:
            self.take(PLACES, lost=True)
        return original(self, num_messages, timeout)

    bench.publish("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        with pytest.raises(Fenced, match="gave 4 partitions to others: this worker was silent"):
            bench.run(worker)
    bench.run()
    assert bench.delivered() == ["ONE", "TWO"]


def test_a_slice_works_only_while_all_its_inputs_are_here(bench: Bench) -> None:
    bench.clients.places = [PLACES[0]]
    bench.publish("one")
    bench.run()
    assert bench.delivered() == []
    assert bench.kernels.made[-1].slices == {}


def test_a_full_queue_is_waited_for_and_keeps_the_order(bench: Bench) -> None:
    bench.kafka.room = 3
    texts = [f"text-{number}" for number in range(10)]
    bench.publish(*texts)
    bench.run()
    assert bench.delivered() == [text.upper() for text in texts]


def test_a_queue_that_stays_full_ends_the_worker_with_a_message(bench: Bench) -> None:
    bench.kafka.room = 0
    bench.publish("one")
    with pytest.raises(Stopped, match=r"5 sessions in a row .* queue stayed full for 10 s"):
        bench.run(turns=10**5)


def test_a_client_error_that_passes_is_no_record(bench: Bench) -> None:
    bench.publish("one")
    original = FakeConsumer.consume

    def consume(self, num_messages, timeout):
        found = original(self, num_messages, timeout)
        error = KafkaError(KafkaError._TRANSPORT, "gone for a moment", retriable=True)
        return [Message(topic="a.b.x", partition=0, offset=7, value=b"poison", error=error), *found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConsumer, "consume", consume)
        bench.run()
    assert bench.delivered() == ["ONE"]
    assert bench.dead() == []


def test_a_right_that_is_missing_ends_the_worker_at_once(bench: Bench) -> None:
    bench.kafka.before = lambda step: (
        kafka_error(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED) if step == "init" else None
    )
    with pytest.raises(Denied, match="gebus apply"):
        bench.run()
    assert bench.meter.sessions == 1


def test_dead_letters_keep_key_value_and_headers(bench: Bench) -> None:
    bench.publish("one", "poison \x00", "two")
    bench.run()
    assert bench.delivered() == ["ONE", "TWO"]
    (record,) = bench.kafka.visible((f"dead.{LANE}", 0))
    assert (record.key, record.value) == (b"p", b"poison \x00")
    headers = dict(record.headers or ())
    assert headers["trace"] == b"\x00\xff"
    assert headers["_dlq.errors.reason"] == b"poison"
    assert headers["_dlq.errors.offset"] == b"1"


def test_state_expires_by_the_log_and_not_by_the_clock_of_the_worker(bench: Bench) -> None:
    bench.publish("one", "two")
    newest = bench.clock.now_ms()
    bench.run(turns=400)
    kernel = bench.kernels.made[-1]
    assert kernel.advanced
    assert max(clock for _, clock in kernel.advanced) <= newest


def test_copies_for_every_partition_come_to_theirs(bench: Bench) -> None:
    new = bench.kernels.new

    def copies(**how: bool):
        kernel = new(**how)
        step = kernel.step

        def stepped(messages):
            made = step(messages)
            made.outputs.append(("all", [{"key": b"k", "value": b"c", "partition": number % 2} for number in range(4)]))
            return made

        kernel.step = stepped
        return kernel

    bench.kernels.new = copies  # type: ignore[method-assign]
    bench.publish("one")
    bench.run()
    assert [len(bench.kafka.visible(("all", number))) for number in (0, 1, 2)] == [2, 2, 0]


def test_a_worker_that_is_asked_to_stop_gives_its_slot_up_for_good(bench: Bench) -> None:
    bench.publish("one")
    bench.run()
    assert bench.clients.left == [0]


def test_a_worker_that_never_had_its_slot_takes_it_from_nobody(bench: Bench) -> None:
    bench.clients.places = []
    bench.run()
    assert bench.clients.left == []


@pytest.mark.parametrize("at", ["produce", "offsets", "commit"])
def test_a_right_that_is_lost_is_waited_for(bench: Bench, at: str) -> None:
    """A topic that must not be written for a while, the ledger's or another: nothing is delivered, and then all is."""
    refusals = [3]

    def refuse(step: str) -> Exception | None:
        if step != at or refusals[0] == 0:
            return None
        refusals[0] -= 1
        return kafka_error(KafkaError.TOPIC_AUTHORIZATION_FAILED, txn_requires_abort=True)

    bench.kafka.before = refuse
    bench.publish("one", "two")
    bench.run()
    assert (refusals, bench.meter.sessions) == ([0], 3)
    assert bench.delivered() == ["ONE", "TWO"]
    assert sum(leaf.count for leaf in bench.leaves()) == 2
