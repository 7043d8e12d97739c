"""Replay on the real stack: the live feed and its replay are equal, and the comparison can tell when they are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from tests.integration.lanes.joined import JoinBed, event
from tests.integration.lanes.kit import Bed, record, wait_until

from gebus.kafka.edge import open_producer
from gebus.plan import FeedPlan


def feed_of(bed: Bed, name: str) -> FeedPlan:
    return next(feed for feed in bed.plan.feeds if feed.name.endswith(f"-{name}"))


def bytes_of(bed: Bed, topic: str) -> list[tuple[bytes, bytes]]:
    return sorted((one.key(), one.value()) for one in bed.read(topic))


def test_a_replay_equals_the_live_feed_to_the_byte_and_changes_nothing(bed: Bed) -> None:
    small = [record(f"s-{number}", entity=f"e{number % 7}", quantity=number) for number in range(150)]
    bed.publish(small[:80])
    with bed.worker() as running:
        running.wait_live()
        bed.publish(small[:20] + small[80:])
        bed.publish_bytes(b"no record")
        wait_until(lambda: bed.taken() == 171, "171 records taken")
    before = (bed.accounts(), bed.ids("open"))
    feed = feed_of(bed, "open")  # its tokens need the secret of the live lanes
    done = bed.gebus("replay", feed.name, "--into", "check", "--compare", "--json")
    assert done.exit_code == 0, done.output
    topic = f"sandbox.check.{feed.topic.removeprefix('feed.')}"
    told = json.loads(done.stdout)
    assert told == {
        "topic": topic,
        "records": 150,
        "compared": 150,
        "equal": True,
        "keys_that_differ": 0,
        "differences": [],
    }
    assert bytes_of(bed, topic) == bytes_of(bed, feed.topic)
    assert (bed.accounts(), bed.ids("open")) == before

    again = bed.gebus("replay", feed.name, "--into", "check")
    assert again.exit_code == 1
    assert f"there is a topic {topic} already: name another sandbox" in str(again.exception)
    assert "or `gebus sandbox delete check`" in str(again.exception)

    producer = open_producer(bed.stack.connection())
    key, value = bytes_of(bed, feed.topic)[0]
    producer.send(feed.topic, key=key, value=value).get(30)
    producer.close()
    differs = bed.gebus("replay", feed.name, "--into", "other", "--compare")
    assert differs.exit_code == 1
    assert "the live feed is NOT equal: 1 keys differ" in differs.stdout
    assert f"key {key.decode()}: record " in differs.stdout
    assert "missing replayed" in differs.stdout

    now = datetime.now(UTC).isoformat()
    later = bed.gebus("replay", feed.name, "--into", "later", "--from", now, "--compare")
    assert later.exit_code == 1
    assert later.stdout.startswith("0 records in sandbox.later.")
    assert "nothing was compared" in later.stdout

    assert {one["sandbox"] for one in json.loads(bed.gebus("sandbox", "list", "--json").stdout)} == {
        "check",
        "later",
        "other",
    }
    assert bed.gebus("sandbox", "delete", "check").stdout == f"deleted {topic}\n"
    missing = bed.gebus("sandbox", "delete", "check")
    assert "check: there is no such sandbox" in str(missing.exception)
    assert bed.gebus("replay", feed.name, "--into", "check").exit_code == 0


def test_a_replay_of_a_join_meets_the_same_records(make_join_bed: Callable[..., JoinBed]) -> None:
    bed = make_join_bed()
    bed.publish_side("seat", [event("seat", f"s-{number}", carrier=f"G{number % 5}") for number in range(30)])
    with bed.worker() as running:
        running.wait_live(8)
        bed.publish_side("trip", [event("trip", f"t-{number}", carrier=f"G{number % 5}") for number in range(10)])
        bed.wait_contacts({(f"t-{t}", f"s-{s}") for t in range(10) for s in range(30) if t % 5 == s % 5})
    done = bed.gebus("replay", bed.feed_plan.name, "--into", "check", "--compare")
    assert done.exit_code == 0, done.output
    assert "60 records in sandbox.check." in done.stdout
    assert "the live feed is equal, key by key" in done.stdout
