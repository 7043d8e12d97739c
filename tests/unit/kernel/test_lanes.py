"""Several lanes over the same topics: shared sources, rekeys, order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gebus_kernel import Account, Kernel, Step
from tests.unit.kernel.support import DAY, FIELDS, NOW, SCHEMA, Fake, Feed, Lane, event, message, schema

JD = "market.price_report.jd"
SOURCE = "market.price_report"
BY = "market.price_report.by.category.4"
REKEY = {
    "name": BY,
    "topic": f"gebus.rekey.{BY}",
    "source": 0,
    "key": ["category"],
    "partitions": 4,
    "all": False,
    "moves_ms": None,
}
MOVES = REKEY | {"moves_ms": 14 * DAY}
BAD = Fake(b"\1nonsense", None)


def plan(lane: str, feed: str, **changes: Any) -> str:
    return json.dumps(json.loads(Lane([Feed(feed)]).json()) | {"lane": lane} | changes)


def two(*plans: str) -> Kernel:
    """A kernel of these lanes, with slice 0 open in each."""
    kernel = Kernel(plans)
    kernel.add_writer_schema(SOURCE, 1, json.dumps(SCHEMA))
    for number, text in enumerate(plans):
        content = json.loads(text)
        for target in [*content["feeds"], *content["rekeys"]]:
            kernel.set_feed_schema(target["name"], 100 + number)
        kernel.open(content["lane"], 0)
    return kernel


def topics(step: Step) -> dict[str, int]:
    return {topic: len(outputs) for topic, outputs in step.outputs}


def copies(step: Step, topic: str = f"gebus.rekey.{BY}") -> list[tuple[bytes, int | None]]:
    return [
        (output["key"], output.get("partition"))
        for found, outputs in step.outputs
        if found == topic
        for output in outputs
    ]


def taken(kernel: Kernel) -> dict[tuple[str, str], tuple[int, int]]:
    rows: list[Account] = [row for row in kernel.accounts() if row.topic == JD]
    return {(row.lane, row.feed): (row.taken, row.dead) for row in rows}


def test_a_record_passes_every_lane_of_its_topic_and_is_one_dead_letter() -> None:
    kernel = two(plan("one", "a/x"), plan("two", "b/y"))
    step = kernel.step([message(event(1)), BAD])
    assert topics(step) == {"feed.a.x": 1, "feed.b.y": 1}
    assert [letter.index for letter in step.dead] == [1]
    kernel.commit(NOW)
    assert taken(kernel) == {("one", ""): (2, 1), ("one", "a/x"): (2, 1), ("two", ""): (2, 1), ("two", "b/y"): (2, 1)}


def test_the_ceiling_of_dead_letters_is_the_sources_not_the_lanes() -> None:
    sources = json.loads(Lane(in_a_row=2).json())["sources"]
    kernel = two(plan("one", "a/x", sources=sources), plan("two", "b/y", sources=sources))
    step = kernel.step([BAD, BAD, BAD])
    assert (len(step.dead), [blocked.index for blocked in step.blocked]) == (2, [2])
    kernel.rollback()
    assert len(kernel.step([BAD, BAD]).dead) == 2


def test_a_slice_must_be_open_in_all_lanes_of_the_topic() -> None:
    kernel = two(plan("one", "a/x"), plan("two", "b/y"))
    kernel.close("two", 0)
    with pytest.raises(ValueError, match=rf"slice 0 of {JD} is not open"):
        kernel.step([message(event(1))])
    kernel.open("two", 0)
    assert topics(kernel.step([message(event(1))])) == {"feed.a.x": 1, "feed.b.y": 1}


def test_lanes_that_share_a_source_say_the_same_of_it() -> None:
    sources = json.loads(Lane(past=DAY).json())["sources"]
    with pytest.raises(ValueError, match=f"lane two: source {SOURCE}: another lane says something else of it"):
        two(plan("one", "a/x"), plan("two", "b/y", sources=sources))
    other = json.loads(Lane().json())["sources"][0] | {"name": "other"}
    with pytest.raises(ValueError, match=f"the topic {JD} is another source's|market.price_report.ali is another"):
        two(plan("one", "a/x"), plan("two", "b/y", sources=[other]))


def test_a_rekey_copies_the_record_under_another_key_in_the_readers_schema() -> None:
    older = schema(FIELDS[0], {"name": "price", "type": "int"})
    kernel = Lane([], rekeys=[REKEY]).kernel()
    kernel.add_writer_schema(SOURCE, 2, json.dumps(older))
    new, old = message(event(1, category="A|B")), message(event(2, phone=None), older, schema_id=2)
    step = kernel.step([new, old, BAD])
    assert copies(step) == [(b"A\\|B", None), (b"MASK", None)]
    ((_, outputs),) = step.outputs
    assert outputs[0]["value"] == b"\0\0\0\0\xc8" + (new.content or b"")[5:]
    assert outputs[1]["value"] == b"\0\0\0\0\xc8" + (message(event(2, phone=None)).content or b"")[5:]


def test_a_copy_for_all_goes_to_every_partition() -> None:
    kernel = Lane([], rekeys=[REKEY | {"all": True, "partitions": 3}]).kernel()
    assert copies(kernel.step([message(event(1))])) == [(b"MASK", 0), (b"MASK", 1), (b"MASK", 2)]


def revision(number: int, category: str, **more: Any) -> Fake:
    return message(event(7, event_id=f"e-{number}-{category}", revision=number, category=category), **more)


def test_a_revision_under_another_key_is_told_to_the_key_that_the_entity_leaves() -> None:
    kernel = Lane([], rekeys=[MOVES]).kernel()
    batch = [revision(0, "A"), revision(1, "A"), revision(2, "B"), revision(3, "C")]
    assert [key for key, _ in copies(kernel.step(batch))] == [b"A", b"A", b"B", b"A", b"C", b"B"]
    late = [revision(1, "A"), revision(3, "D"), revision(3, "C")]
    assert [key for key, _ in copies(kernel.step(late))] == [b"C", b"C", b"C"], "what comes late moves nothing"
    other = message(event(7, source="ali", category="Z"), kafka_topic="market.price_report.ali")
    assert [key for key, _ in copies(kernel.step([other]))] == [b"Z"], "another source's entity is another one"


def test_a_key_is_forgotten_after_its_window_and_taken_back_by_a_rollback() -> None:
    kernel = Lane([], rekeys=[MOVES]).kernel()
    kernel.step([revision(0, "A")])
    kernel.commit(NOW)
    kernel.step([revision(1, "B")])
    kernel.rollback()
    assert [key for key, _ in copies(kernel.step([revision(1, "C")]))] == [b"C", b"A"]
    kernel.commit(NOW)
    later = revision(2, "D", time=NOW + 17 * DAY)
    assert [key for key, _ in copies(kernel.step([later]))] == [b"D"]


def test_moves_outlive_the_worker() -> None:
    first = Lane([], rekeys=[MOVES]).kernel()
    first.step([revision(0, "A")])
    log = first.state()
    assert {key for _, _, key, _ in log} == {f"store/moves/{BY}".encode(), b"account"}
    second = Lane([], rekeys=[MOVES]).kernel()
    for record in log:
        second.restore(*record)
    assert [key for key, _ in copies(second.step([revision(1, "B")]))] == [b"B", b"A"]
    other = Lane([], rekeys=[MOVES | {"key": ["price"]}]).kernel()
    written = next(record for record in log if record[2].startswith(b"store/"))
    with pytest.raises(ValueError, match=f"table moves/{BY} was written by another form of its step"):
        other.restore(*written)


def test_a_record_of_an_internal_source_is_believed() -> None:
    content = json.loads(Lane().json())
    content["sources"][0] |= {"internal": True, "topics": {JD: ""}, "key": ["category"]}
    kernel = two(json.dumps(content))
    stranger = event(1, source="somebody", occurred_at=0)
    batch = [Fake(message(stranger).content, b"MASK"), Fake(message(stranger).content, b"FOOD")]
    step = kernel.step(batch)
    assert step.dead == []
    assert topics(step) == {"feed.cdc.masks": 1}, "the second has left its key"


def test_in_an_ordered_lane_one_record_that_waits_holds_up_its_slice_in_the_whole_group() -> None:
    kernel = two(plan("one", "a/x", ordered=True), plan("two", "b/y"))
    for lane in ("one", "two"):
        kernel.open(lane, 1)
    unknown = message(event(2), schema_id=9)
    ali = message(event(4, source="ali"), kafka_topic="market.price_report.ali")
    step = kernel.step([message(event(1)), unknown, message(event(3)), ali, message(event(5), number=1)])
    assert [blocked.index for blocked in step.blocked] == [1]
    assert topics(step) == {"feed.a.x": 2, "feed.b.y": 2}
