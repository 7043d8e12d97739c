"""What lanes write beside deliveries: dead letters and accounts, read back as people and machines see them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lanes.conftest import LANE, lane_plan
from tests.unit.lanes.fake_kafka import FakeConsumer, FakeKafka, ManualClock, Transaction
from tests.unit.lanes.fake_kernel import Dead

from gebus.cli import lanes as cli
from gebus.lanes.accounts import Counts, Row, read_accounts
from gebus.lanes.dead_letters import LARGEST, NAMES, PREFIX, dead_letter, newest_dead_letters, read_dead_letter
from gebus.lanes.forms import STEPS_TOPIC, Life, Notes
from gebus.lanes.notes import read_notes
from gebus.model.errors import NotFound, Stopped, Unavailable

BYTES = st.none() | st.binary(max_size=50)
HEADERS = st.lists(st.tuples(st.text(max_size=10) | st.just(PREFIX + "reason"), BYTES), max_size=5)


def message(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> Message:
    return Message(
        topic="a.b.x", partition=3, offset=42, key=key, value=value, headers=headers, timestamp=(2, 1_580_000_000_123)
    )


@given(BYTES, BYTES, HEADERS)
def test_a_dead_letter_keeps_key_value_and_headers_byte_for_byte(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    kept = dead_letter(message(key, value, headers), Dead(0, "wrong_key", "the key is not entity_id", "entity_id"))
    letter = read_dead_letter(kept.key, kept.value, kept.headers)
    assert (letter.key, letter.value, list(letter.headers)) == (key, value, headers)
    assert (letter.reason, letter.detail, letter.field) == ("wrong_key", "the key is not entity_id", "entity_id")
    assert (letter.topic, letter.partition, letter.offset) == ("a.b.x", 3, 42)
    assert letter.when == "2020-01-26T00:53:20.123+00:00"
    assert "42" in repr(letter)
    assert value is None or len(value) < 8 or repr(value) not in repr(letter)


def test_a_publisher_cannot_speak_for_the_lane() -> None:
    forged = [(PREFIX + name, b"forged") for name in NAMES]
    kept = dead_letter(message(b"k", b"v", forged), Dead(0, "truncated", "ends at 3"))
    assert dict(kept.headers)[PREFIX + "reason"] == b"truncated"
    assert read_dead_letter(kept.key, kept.value, kept.headers).reason == "truncated"


def test_a_record_that_is_too_large_is_left_at_its_place() -> None:
    kept = dead_letter(message(b"k", b"x" * LARGEST, [("h", b"v")]), Dead(0, "too_large", "more than 1 MiB"))
    assert (kept.key, kept.value) == (None, None)
    letter = read_dead_letter(kept.key, kept.value, kept.headers)
    assert f"its {LARGEST + 3} bytes are more than the {LARGEST} that are kept here" in letter.detail
    assert letter.headers == ()


def test_a_record_that_no_lane_wrote_is_no_dead_letter() -> None:
    with pytest.raises(ValueError, match="not a dead letter"):
        read_dead_letter(b"k", b"v", [("trace", b"1")])


def test_a_value_is_shown_without_what_a_terminal_would_obey() -> None:
    kept = dead_letter(message(None, "口罩\x1b[2J\xff\n".encode() + b"\xff", []), Dead(0, "short", ""))
    letter = read_dead_letter(kept.key, kept.value, kept.headers)
    assert letter.shown(100) == "口罩\\x1b[2Jÿ\\x0a\\xff"
    assert letter.shown(2) == "口罩..."
    assert letter.as_json()["key"] is None


def test_the_newest_dead_letters_come_last() -> None:
    kafka = FakeKafka(ManualClock())
    for number in range(5):
        kept = dead_letter(message(b"k", b"%d" % number, []), Dead(0, "short", ""))
        kafka.append((f"dead.{LANE}", 0), kept.value, key=kept.key, headers=kept.headers)
    letters = newest_dead_letters(FakeConsumer(kafka, tells_end=True), LANE, 2)
    assert [letter.value for letter in letters] == [b"3", b"4"]


def account(topics: dict[str, Any], version: int = 1) -> bytes:
    return json.dumps({"version": version, "topics": topics}).encode()


def counts(taken: int, delivered: int, **others: int) -> dict[str, int]:
    return {"taken": taken, "delivered": delivered, "filtered": 0, "duplicate": 0, "withheld": 0, "dead": 0, **others}


def test_accounts_add_up_over_slices_and_take_the_last_word_of_each() -> None:
    kafka = FakeKafka(ManualClock())
    state = f"gebus.state.{LANE}"
    kafka.append((state, 0), b"not an account", key=b"seen")
    kafka.append(
        (state, 0), account({"a.b.x": {"taken": 1, "dead": 0, "feeds": {"c/f": counts(1, 1)}}}), key=b"account"
    )
    kafka.append(
        (state, 0), account({"a.b.x": {"taken": 5, "dead": 1, "feeds": {"c/f": counts(5, 3, filtered=1, dead=1)}}}),
        key=b"account",
    )  # fmt: skip
    kafka.append((state, 0), account({"a.b.y": {"taken": 2, "dead": 0, "feeds": {}}}), key=b"account")
    kafka.append(
        (state, 1), account({"a.b.x": {"taken": 4, "dead": 0, "feeds": {"c/f": counts(4, 4)}}}), key=b"account"
    )
    aborted = Transaction("t", 0, state="aborted")
    late = account({"a.b.x": {"taken": 99, "dead": 0, "feeds": {}}})
    kafka.append((state, 1), late, key=b"account", transaction=aborted)
    rows = read_accounts(FakeConsumer(kafka, tells_end=True), [lane_plan()])
    assert [(row.topic, row.feed, row.counts) for row in rows] == [
        ("a.b.x", "", Counts(taken=9, dead=1)),
        ("a.b.x", "c/f", Counts(taken=9, delivered=7, filtered=1, dead=1)),
        ("a.b.y", "", Counts(taken=2)),
    ]
    assert all(row.adds_up for row in rows)
    assert rows[1].as_json()["adds_up"] is True
    assert rows[0].as_json()["feed"] is None


@pytest.mark.parametrize(
    ("taken", "entry"), [(5, counts(5, 3)), (5, counts(4, 5)), (2, counts(3, 1, dead=1))], ids=["lost", "more", "torn"]
)
def test_accounts_that_do_not_add_up_are_seen(taken: int, entry: dict[str, int]) -> None:
    kafka = FakeKafka(ManualClock())
    value = account({"a.b.x": {"taken": taken, "dead": 0, "feeds": {"c/f": entry}}})
    kafka.append((f"gebus.state.{LANE}", 0), value, key=b"account")
    rows = read_accounts(FakeConsumer(kafka, tells_end=True), [lane_plan()])
    assert [row.adds_up for row in rows] == [True, False]


@pytest.mark.parametrize("value", [b"", b"[]", b'{"version": 1}', account({}, version=3), account({"a.b.x": {}})])
def test_a_damaged_account_is_named(value: bytes) -> None:
    kafka = FakeKafka(ManualClock())
    kafka.append((f"gebus.state.{LANE}", 0), value, key=b"account")
    with pytest.raises(Stopped, match=rf"gebus.state.{LANE}/0 at offset 0: "):
        read_accounts(FakeConsumer(kafka, tells_end=True), [lane_plan()])


def test_a_broker_that_says_nothing_is_unavailable() -> None:
    kafka = FakeKafka(ManualClock())
    with pytest.raises(Unavailable, match=r"nothing came of gebus.state.a.b/0 for 10 s"):
        read_accounts(FakeConsumer(kafka), [lane_plan()])


def test_a_missing_topic_says_what_to_do() -> None:
    from confluent_kafka import KafkaError

    consumer = FakeConsumer(FakeKafka(ManualClock()))
    error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    consumer.errors = [Message(topic="gebus.state.a.b", partition=0, offset=0, error=error)]
    with pytest.raises(NotFound, match=r"Kafka has no topic gebus.state.a.b: .*run `gebus apply`"):
        read_accounts(consumer, [lane_plan()])


def test_a_topic_that_is_not_there_is_named_before_anything_is_read() -> None:
    kafka = FakeKafka(ManualClock())
    kafka.deleted.add("gebus.state.a.b")
    began = kafka.clock.now
    with pytest.raises(NotFound, match=r"Kafka has no topic gebus.state.a.b: it was never made, or deleted with all"):
        read_accounts(FakeConsumer(kafka), [lane_plan()])
    assert kafka.clock.now == began


def test_notes_are_read_and_missed_where_there_are_none() -> None:
    kafka = FakeKafka(ManualClock())
    life = Life(1_700_000_000_000, anew=True)
    kafka.append((STEPS_TOPIC, 0), life.to_json(), key=LANE.encode())
    assert read_notes(FakeConsumer(kafka, tells_end=True)) == Notes({}, {LANE: life})
    kafka.deleted.add(STEPS_TOPIC)
    assert read_notes(FakeConsumer(kafka, tells_end=True)) == Notes()


def test_accounts_that_began_anew_say_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("a.b", "a.b.x", "", Counts(taken=3))
    lives = {LANE: Life(1_700_000_000_000, anew=True), "other": Life(1, anew=False)}
    cli.print_accounts([row], lives, good=True)
    said = capsys.readouterr().out
    assert f"lane {LANE} counts since 2023-11-14 22:13:20+00:00, when the topic of its state was made anew" in said
    assert said.endswith("every record since then is accounted for\n")
    cli.print_accounts([row], {}, good=True)
    assert capsys.readouterr().out.endswith("every record is accounted for\n")
    cli.print_accounts([], lives, good=True)
    assert f"lane {LANE} counts since" in capsys.readouterr().out
