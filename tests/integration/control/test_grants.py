"""Grants on the real Kafka: what a revocation, an end and a forged word do to lanes and consumers that run."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import Result
from tests.integration.lanes.kit import Bed, Running, record, wait_until

from gebus.catalogue import load
from gebus.control.alerts import alerts
from gebus.control.grants import Asked, Grants, feed_of
from gebus.control.keeper import keep
from gebus.kafka.edge import open_producer
from gebus.lanes.ports import SystemClock
from gebus.model.errors import ActRefused, GebusError
from gebus.model.person import Person
from gebus_connectors.sdk import Subscriber


def grant(bed: Bed, *arguments: str, fails: bool = False) -> Result:
    done = bed.gebus("grant", *arguments)
    assert (done.exit_code != 0) == fails, f"{done.output}{done.exception!r}"
    return done


def withheld(bed: Bed, feed: str) -> int:
    return sum(row.counts.withheld for row in bed.accounts() if row.feed == feed)


@contextmanager
def publishing(bed: Bed) -> Iterator[list[str]]:
    """One record after the other, until the end."""
    stop, sent = threading.Event(), []

    def publish() -> None:
        while not stop.is_set():
            sent.append(f"r-{len(sent)}")
            bed.publish([record(sent[-1], entity=sent[-1])])

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def test_a_revocation_stops_lanes_and_consumers_that_run(staffed: Bed) -> None:
    bed, feed = staffed, f"ditu/{staffed.domain}-open"
    got: list[int] = []
    ended: list[GebusError] = []

    def consume() -> None:
        try:
            with Subscriber(bed.stack.connection("ditu"), [feed], start="beginning") as subscriber:
                while True:
                    got.extend(delivery.offset for delivery in subscriber.poll())
        except GebusError as error:
            ended.append(error)

    with bed.workers(2) as running:
        running.wait_live()
        consumer = threading.Thread(target=consume, daemon=True)
        with publishing(bed) as sent:
            consumer.start()
            wait_until(lambda: len(got) > 20, "the consumer to receive")
            grant(bed, "revoke", feed, "--as", "app@ditu", "--reason", "x", fails=True)
            said = grant(bed, "revoke", feed, "--as", "own@hubei-health", "--reason", "misuse").output
            found = re.search(r"mark: the feed ends at 0@(\d+); (\d) workers confirmed within ([\d.]+) s", said)
            assert found, said
            assert int(found[2]) == 2
            assert float(found[3]) < 5
            wait_until(lambda: withheld(bed, feed) > 20, "records to be withheld")
        consumer.join(30)
        assert ended, "a consumer that ran was not cut off"
        wait_until(lambda: bed.taken() == len(sent), "everything to be accounted for")
    messages = bed.read(f"feed.ditu.{bed.domain}-open")
    assert max(message.offset() for message in messages) < int(found[1]), "records came after the mark"
    assert max(got) < int(found[1])
    assert all(row.adds_up for row in bed.accounts())
    audit = Grants(bed.stack.connection(), bed.stack.admin, load(bed.root), SystemClock()).log.audit()
    mine = [(line["verb"], line["outcome"]) for line in audit if line["about"] == feed]
    assert mine == [("record", "done"), ("revoke", "refused"), ("revoke", "done"), ("mark", "done")]


def without(running: Running) -> str:
    """What the worker said last of the feeds without a live grant."""
    return [line for line in running.said.splitlines() if "without a live grant" in line][-1]


def test_a_grant_that_is_asked_for_flows_once_approved_and_ends_by_itself(staffed: Bed) -> None:
    bed, feed, topic = staffed, f"ditu/{staffed.domain}-open", f"feed.ditu.{staffed.domain}-open"
    grant(bed, "revoke", feed, "--as", "data@hubei-data", "--reason", "to begin anew")
    with bed.workers(1) as running:
        running.wait_live()
        asked = grant(bed, "request", feed, "--as", "app@ditu", "--until", "40s", "--basis", "a law").output
        assert "awaits   hubei-health, before " in asked
        bed.publish([record("early", entity="early")])
        wait_until(lambda: withheld(bed, feed) == 1, "the record before the approval")
        refused = grant(bed, "approve", feed, "--as", "own@hubei-health", "--version", "1", fails=True)
        assert "[conflict]" in str(refused.exception)
        assert "may read" in grant(bed, "approve", feed, "--as", "own@hubei-health").output
        wait_until(lambda: feed not in without(running), "the lanes to hear it")
        bed.publish([record("granted", entity="granted")])
        wait_until(lambda: bed.ids("open") == ["granted"], "the granted record")
        running.wait_for(f"without a live grant: {feed}", 2)
        bed.publish([record("late", entity="late")])
        wait_until(lambda: withheld(bed, feed) == 2, "the record after the end")
    assert bed.ids("open") == ["granted"]
    catalogue, clock = load(bed.root), SystemClock()
    grants = Grants(bed.stack.connection(), bed.stack.admin, catalogue, clock)
    assert f"ditu may no longer read {topic}" in keep(grants.log, bed.stack.admin, catalogue, clock.now_ms)
    assert keep(grants.log, bed.stack.admin, catalogue, clock.now_ms) == []
    assert not [acl for acl in bed.stack.admin.acls() if acl.name == topic]


def test_a_word_that_is_written_by_hand_does_not_count(staffed: Bed) -> None:
    bed, feed = staffed, f"ditu/{staffed.domain}-open"
    catalogue, clock = load(bed.root), SystemClock()
    grants = Grants(bed.stack.connection(), bed.stack.admin, catalogue, clock)
    held = grants.log.read().grants[feed]
    forged = json.loads(held.model_dump_json())
    forged["grants"][0]["acts"][0]["by"] = "app@ditu"
    producer = open_producer(bed.stack.connection())
    with bed.workers(1) as running:
        running.wait_live()
        producer.send("gebus.grants", key=feed.encode(), value=json.dumps(forged).encode()).get(30)
        producer.close(5)
        running.wait_for(f"gebus.grants {feed} does not count")
        bed.publish([record("forged")])
        wait_until(lambda: withheld(bed, feed) == 1, "the record to be withheld")
    found = alerts(grants.log, bed.stack.admin, catalogue, clock.now_ms())
    assert [alert.about for alert in found if alert.kind == "broken" and feed in alert.about]
    assert bed.ids("open") == []


def test_of_many_who_ask_at_once_one_is_heard_and_the_others_are_told(staffed: Bed) -> None:
    bed, feed = staffed, f"ditu/{staffed.domain}-open"
    grant(bed, "revoke", feed, "--as", "own@hubei-health", "--reason", "to begin anew")
    catalogue, clock = load(bed.root), SystemClock()
    person = Person(name="app", party="ditu", roles=frozenset({"applicant"}))
    outcomes: list[str] = []

    def ask() -> None:
        grants = Grants(bed.stack.connection(), bed.stack.admin, catalogue, clock)
        try:
            grants.request(person, feed_of(catalogue, feed), Asked("a law", 0, clock.now_ms() + 1_000_000))
            outcomes.append("done")
        except ActRefused as refused:
            outcomes.append(refused.rule)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == ["done", "overlapping", "overlapping"]
    known = Grants(bed.stack.connection(), bed.stack.admin, catalogue, clock).log.read()
    assert [one.number for one in known.grants[feed].grants] == [1, 2]


def test_a_feed_that_asks_for_more_than_was_granted_delivers_nothing(staffed: Bed) -> None:
    bed, feed = staffed, f"ditu/{staffed.domain}-open"
    grant(bed, "revoke", feed, "--as", "own@hubei-health", "--reason", "to begin anew")
    grant(bed, "request", feed, "--as", "app@ditu", "--until", "30d", "--basis", "a law")
    grant(bed, "approve", feed, "--as", "own@hubei-health")
    path = bed.root / "feeds/ditu" / f"{bed.domain}-open.yaml"
    path.write_text(path.read_text().replace("purpose: open-purpose", "purpose: advertising"))
    with bed.workers(1) as running:
        running.wait_for("purpose advertising at tier 1 was not granted")
        running.wait_live()
        bed.publish([record("more")])
        wait_until(lambda: withheld(bed, feed) == 1, "the record to be withheld")


@pytest.mark.parametrize("person", ["nobody@ditu", "../x@ditu", "app"])
def test_who_is_no_person_of_the_home_is_named(staffed: Bed, person: str) -> None:
    refused = grant(staffed, "revoke", f"{staffed.domain}-open", "--as", person, "--reason", "x", fails=True)
    assert "is no person of this home" in str(refused.exception)
