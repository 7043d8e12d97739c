"""The kernel as a worker holds it: plans, messages, transactions, accounts, errors."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message
from gebus_kernel import Account, Kernel
from tests.unit.kernel.support import (
    DAY,
    ENVELOPE,
    FIELDS,
    NOW,
    ONCE,
    SCHEMA,
    SEEN,
    Fake,
    Feed,
    Lane,
    avro,
    call,
    const,
    event,
    header,
    message,
    name,
    records,
    schema,
    values,
    where,
)

SOURCE, LANE, JD = "market.price_report", "market.price_report", "market.price_report.jd"


def test_real_messages_are_taken_like_fake_ones() -> None:
    fakes = [message(event(index), time=NOW + index) for index in range(5)]
    real = [
        Message(topic=JD, partition=0, offset=index, key=fake.key(), value=fake.value(), timestamp=fake.timestamp())
        for index, fake in enumerate(fakes)
    ]
    assert Lane().kernel().step(real).outputs == Lane().kernel().step(fakes).outputs
    assert Lane().kernel().step(tuple(real)).count == 5
    with pytest.raises(TypeError, match="doesn't apply to a 'Fake' object"):
        Lane().kernel().step([*real, *fakes])


def test_an_empty_batch_is_an_empty_step() -> None:
    step = Lane().kernel().step([])
    assert (step.count, step.outputs, step.dead, step.blocked) == (0, [], [], [])


GOOD = message(event(1))


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (Fake(GOOD.content, b"k", kafka_topic="nowhere"), "message 1: no lane reads the topic nowhere"),
        (Fake(GOOD.content, b"k", number=3), f"message 1: slice 3 of {JD} is not open; call open, then restore"),
        (Fake(GOOD.content, b"k", number=-1), f"message 1: slice -1 of {JD} is not open"),
        (Fake(GOOD.content, b"k", clock=1), "message 1: its timestamp is of type 1, and must be the log's append time"),
        (Fake(None, None, time=-1, clock=0, place=-1001), "it is a client error"),
        (Fake(GOOD.content, b"k", time=-5), "its append time -5 is no time"),
        (Fake(GOOD.content, b"k", time=2**62), "is no time"),
    ],
)
def test_a_batch_with_what_is_no_record_of_ours_changes_nothing(other: Fake, found: str) -> None:
    kernel = Lane().kernel()
    with pytest.raises(ValueError, match="message 1: ") as caught:
        kernel.step([GOOD, other])
    assert found in str(caught.value)
    assert kernel.state() == []


def test_a_client_error_in_a_messages_place_is_refused() -> None:
    error = Message(topic=JD, partition=0, offset=7, error=KafkaError(KafkaError._PARTITION_EOF))
    with pytest.raises(ValueError, match="it is a client error"):
        Lane().kernel().step([error])


def test_a_value_that_is_no_bytes_is_a_type_error() -> None:
    text: Any = "text"
    with pytest.raises(TypeError, match=r"a message's value\(\) is bytes or None"):
        Lane().kernel().step([Fake(text, b"k")])
    with pytest.raises(TypeError, match=r"a message's key\(\) is bytes or None"):
        Lane().kernel().step([Fake(b"k", text)])


def test_nothing_is_taken_before_schema_ids_and_token_keys_are_set() -> None:
    hidden = {"name": "category", "path": ["category"], "type": "string", "mask": {"kind": "token"}}
    fields = [{"name": item["name"], "path": [item["name"]], "type": item["type"], "mask": None} for item in ENVELOPE]
    kernel = Kernel([Lane([Feed(fields=[*fields, hidden])]).json()])
    with pytest.raises(ValueError, match="feed cdc/masks: no schema id; call set_feed_schema before step"):
        kernel.step([])
    kernel.set_feed_schema("cdc/masks", 5)
    with pytest.raises(ValueError, match="feed cdc/masks: it has tokens and no key; call set_token_key before step"):
        kernel.step([])
    kernel.set_token_key("cdc/masks", b"k")
    assert kernel.step([]).count == 0


@pytest.mark.parametrize(
    ("method", "arguments", "found"),
    [
        ("add_writer_schema", ("nowhere", 1, "{}"), "no lane has the source nowhere"),
        ("add_writer_schema", (SOURCE, 1, "{"), "schema 1: EOF"),
        ("add_writer_schema", (SOURCE, 1, '"string"'), "schema 1: the schema is not a record"),
        ("add_writer_schema", (SOURCE, 1, json.dumps(schema(*FIELDS[:2], name="Other"))), "record market.Other cannot"),
        (
            "add_writer_schema",
            (SOURCE, 1, json.dumps(schema(FIELDS[0]))),
            "PriceReport.price: the writer does not have",
        ),
        ("add_writer_schema", (SOURCE, 1, "[" * 500), "schema 1: recursion limit exceeded"),
        ("refuse_schema", ("nowhere", 1, "x"), "no lane has the source nowhere"),
        ("set_feed_schema", ("nowhere", 1), "no lane has the feed nowhere"),
        ("set_token_key", ("nowhere", b""), "no lane has the feed nowhere"),
        ("open", ("nowhere", 0), "there is no lane nowhere"),
        ("open", (LANE, 4), "there is no slice 4; it has 4"),
        ("open", (LANE, 0), "slice 0 is open already; close it first"),
        ("close", ("nowhere", 0), "there is no lane nowhere"),
        ("restore", (LANE, 1, b"account", b"{}"), "slice 1 is not open; call open first"),
        ("advance", (LANE, 1, 0), "slice 1 is not open; call open first"),
    ],
)
def test_each_mistake_is_told(method: str, arguments: tuple[Any, ...], found: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        getattr(Lane().kernel(), method)(*arguments)
    assert found in str(caught.value)


def changed_plan(**changes: Any) -> str:
    plan: Any = json.loads(Lane([Feed(steps=[ONCE])], tables=[SEEN]).json())
    for path, value in changes.items():
        *outer, last = path.split("__")
        part: Any = plan
        for step in outer:
            part = part[int(step) if step.isdigit() else step]
        part[last] = value
    return json.dumps(plan)


LATER = [where(call("gt", name("price", "int"), const(0))), ONCE]


@pytest.mark.parametrize(
    ("plans", "found"),
    [
        (["{"], "lane plan: EOF"),
        ([changed_plan(colour="red")], "lane plan: unknown field `colour`"),
        ([changed_plan(sources__0__key=[])], "source market.price_report: the source has no key"),
        ([changed_plan(sources__0__key=["nowhere"])], "the key field `nowhere` is not in the schema"),
        ([changed_plan(sources__0__key=["phone"])], "the key field `phone` is neither a string nor an integer"),
        (
            [changed_plan(sources__0__schema={"type": "record", "name": "R", "fields": []})],
            "not the envelope's `event_id`",
        ),
        (
            [changed_plan(sources__0__schema=SCHEMA | {"aliases": ["Old"]})],
            "the schema has aliases, which are not supported",
        ),
        ([changed_plan(tables=[])], "feed cdc/masks: step once: there is no table 0; the plan has 0"),
        ([changed_plan(tables=[SEEN, SEEN])], "table event_id.14d: the name is there twice"),
        ([changed_plan(tables=[SEEN | {"window_ms": 0}])], "table event_id.14d: the window is at least 1 ms long"),
        ([changed_plan(tables=[SEEN | {"key": []}])], "table event_id.14d: the key is empty"),
        ([Lane().json(), Lane().json()], "lane market.price_report: the lane is there twice"),
        ([Lane([Feed(), Feed()]).json()], "the feed cdc/masks is there twice"),
        ([Lane([Feed("a/b", LATER), Feed("c/d", LATER)], tables=[SEEN]).json()], "a later step has a table of its own"),
        (
            [Lane([Feed("a/b", LATER), Feed("c/d", [ONCE])], tables=[SEEN]).json()],
            "both a first step's and a later step's",
        ),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused(plans: list[str], found: str) -> None:
    with pytest.raises(ValueError, match="lane") as caught:
        Kernel(plans)
    assert found in str(caught.value)


def test_records_of_an_older_schema_are_read_as_the_sources() -> None:
    older = schema(
        {"name": "price", "type": "int"}, FIELDS[0], {"name": "gone", "type": {"type": "array", "items": "long"}}
    )
    kernel = Lane(tables=[SEEN], feeds=[Feed(steps=[ONCE])]).kernel()
    kernel.add_writer_schema(SOURCE, 2, json.dumps(older))
    old = event(1, price=77, gone=[1, 2, 3])
    step = kernel.step([message(old, older, schema_id=2), message(event(1)), message(event(2))])
    assert [(found["event_id"], found["price"], found["phone"]) for found in records(step)] == [
        ("evt-000001", 77, None),
        ("evt-000002", 2500, "13812345678"),
    ]


def test_an_old_record_that_is_damaged_is_a_dead_letter_of_the_writers_field() -> None:
    older = schema({"name": "gone", "type": "string"}, *FIELDS)
    kernel = Lane().kernel()
    kernel.add_writer_schema(SOURCE, 2, json.dumps(older))
    whole = avro(event(gone="x" * 300), older)
    step = kernel.step([Fake(header(2) + whole[:100], b"shop-0")])
    assert [(letter.reason, letter.place) for letter in step.dead] == [("truncated", "gone")]


@pytest.mark.parametrize(
    ("entity", "price", "key"),
    [
        ("a", 5, b"a|5"),
        ("a|b", -5, rb"a\|b|-5"),
        ("\\", 0, rb"\\|0"),
        ("", 1, b"|1"),
        ("武汉|", 2, "武汉\\||2".encode()),
    ],
)
def test_the_key_is_the_key_fields_and_nothing_else(entity: str, price: int, key: bytes) -> None:
    kernel = Lane(key=["entity_id", "price"]).kernel()
    content = header() + avro(event(entity_id=entity, price=price))
    wrong = [key[:-1], key + b"1", key.replace(b"\\", b"", 1) if b"\\" in key else b"x" + key, b""]
    step = kernel.step([Fake(content, key), *(Fake(content, other) for other in wrong)])
    assert len(values(step)) == 1
    assert [letter.reason for letter in step.dead] == ["wrong_key"] * len(wrong)


def row(kernel: Kernel, feed: str = "cdc/masks", topic: str = JD) -> Account:
    (found,) = (account for account in kernel.accounts() if (account.feed, account.topic) == (feed, topic))
    return found


def counts(account: Account) -> tuple[int, ...]:
    return account.taken, account.delivered, account.filtered, account.duplicate, account.withheld, account.dead


def test_every_record_is_accounted_for_and_a_rollback_takes_all_of_it_back() -> None:
    dear = where(call("gt", name("price", "int"), const(2000)))
    kernel = Lane([Feed(steps=[ONCE, dear])], tables=[SEEN]).kernel()
    batch = [message(event(1)), message(event(1)), message(event(2, price=1)), Fake(b"", None)]
    kernel.step(batch)
    assert counts(row(kernel)) == (0, 0, 0, 0, 0, 0), "what is not committed is not told"
    kernel.commit(NOW)
    assert counts(row(kernel)) == (4, 1, 1, 1, 0, 1)
    assert counts(row(kernel, feed="")) == (4, 0, 0, 0, 0, 1)
    kernel.step(batch)
    kernel.rollback()
    assert counts(row(kernel)) == (4, 1, 1, 1, 0, 1)
    assert kernel.state() == []
    kernel.step(batch)
    kernel.commit(NOW)
    assert counts(row(kernel)) == (8, 1, 1, 4, 0, 2)


def test_a_feed_that_came_later_counts_from_then_on() -> None:
    first = Lane([Feed("a/old")]).kernel()
    first.step([message(event(1))])
    log = first.state()
    assert json.loads(log[0][3]) == {
        "version": 2,
        "topics": {
            JD: {
                "taken": 1,
                "dead": 0,
                "feeds": {
                    "a/old": {
                        "taken": 1,
                        "more": 0,
                        "delivered": 1,
                        "filtered": 0,
                        "duplicate": 0,
                        "withheld": 0,
                        "dead": 0,
                        "waiting": 0,
                    }
                },
            }
        },
    }
    second = Lane([Feed("a/old"), Feed("b/new")]).kernel()
    for record in log:
        second.restore(*record)
    second.step([message(event(2))])
    second.commit(NOW)
    assert counts(row(second, "a/old"))[:2] == (2, 2)
    assert counts(row(second, "b/new"))[:2] == (1, 1)
    assert counts(row(second, ""))[0] == 2


def test_the_account_of_thousands_of_feeds_comes_in_parts() -> None:
    feeds = [Feed(f"county/f{index}") for index in range(4500)]
    kernel = Lane(feeds).kernel()
    kernel.step([message(event(1))])
    log = kernel.state()
    assert len(log) == 3
    assert all(len(value) < 512 * 1024 for _, _, _, value in log)
    again = Lane(feeds).kernel()
    for record in log:
        again.restore(*record)
    assert all(account.taken == 1 for account in again.accounts() if account.topic == JD)


def test_latencies_are_counted_in_buckets_up_to_the_commit() -> None:
    kernel = Lane().kernel()
    bounds = Kernel.LATENCY_BOUNDS_MS
    assert list(bounds) == sorted(bounds)
    kernel.step(
        [
            message(event(1)),
            message(event(2)),
            message(event(3, occurred_at=NOW - 3 * DAY), time=NOW - 3 * DAY),
            Fake(b"", None),
        ]
    )
    buckets = kernel.commit(NOW + bounds[3])
    assert (len(buckets), buckets[3], buckets[-1], sum(buckets)) == (len(bounds) + 1, 2, 1, 3)
    assert sum(kernel.commit(NOW)) == 0
    kernel.step([message(event(4))])
    kernel.rollback()
    assert sum(kernel.commit(NOW)) == 0


def test_a_closed_slice_is_gone_and_may_come_back_empty() -> None:
    kernel = Lane([Feed(steps=[ONCE])], tables=[SEEN]).kernel()
    kernel.step([message(event(1))])
    kernel.commit(NOW)
    kernel.close(LANE, 0)
    kernel.close(LANE, 0)
    assert (kernel.accounts(), kernel.state_size()) == ([], [])
    kernel.open(LANE, 0)
    assert len(values(kernel.step([message(event(1))]))) == 1


def test_other_threads_run_while_a_batch_is_worked_on() -> None:
    """Without the release of the GIL the other thread could not count on."""
    fields = [{"name": item["name"], "path": [item["name"]], "type": item["type"], "mask": None} for item in ENVELOPE]
    price = {"name": "price", "path": ["price"], "type": "string", "mask": {"kind": "token"}}
    kernel = Lane([Feed(f"a/f{index}", fields=[*fields, price]) for index in range(50)]).kernel()
    batch = [message(event(index)) for index in range(200)]
    counted, stop = [0], threading.Event()

    def count() -> None:
        while not stop.wait(0.0001):
            counted[0] += 1

    interval = sys.getswitchinterval()
    # Longer than all steps together: only a released GIL lets the other thread in.
    sys.setswitchinterval(60)
    other = threading.Thread(target=count)
    try:
        other.start()
        before = counted[0]
        for _ in range(200):  # a busy machine may give the other thread no time during one step
            kernel.step(batch)
            if counted[0] > before:
                break
        after = counted[0]
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        other.join()
    assert after > before


def test_nothing_of_a_record_or_a_key_shows() -> None:
    kernel = Lane().kernel()
    step = kernel.step([Fake(b"\1secret of a person", b"secret")])
    shown = " ".join(map(repr, (kernel, step, *step.dead, *kernel.accounts())))
    assert "secret" not in shown
