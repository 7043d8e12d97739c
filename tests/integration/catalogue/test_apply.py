"""gebus apply on the real Kafka and the real registry."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import replace

import pytest
from kafka import TopicPartition
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from gebus.catalogue import load
from gebus.kafka.admin import Acl
from gebus.kafka.edge import close_producer, open_consumer, open_producer
from gebus.kafka.secrets import Secrets
from gebus.model.errors import Denied, StackError
from gebus.plan import lanes
from gebus.provision import Notebook, apply, compare, desired, observe

SOURCE = "applied.price_report.applied-jd"
DEAD = "dead.applied.price_report"
STATE = "gebus.state.applied.price_report"
FEED, OTHER_FEED = "feed.applied-cdc.dear-masks", "feed.applied-watch.all-prices"
EVENT = "events/applied/PriceReport.avsc"
TOPIC = "topics/applied.price_report.yaml"
PARTIES = ("applied-jd", "applied-watch", "applied-cdc")
PIECES = '{"name": "pieces", "type": "int"'


def test_the_first_run_makes_everything_and_the_second_nothing(stack, applied) -> None:
    applied.changes()
    again = applied.changes()
    assert again["changes"] == []
    topics = stack.admin.topics()
    assert [topics[name].partitions for name in (SOURCE, DEAD, STATE, FEED, OTHER_FEED)] == [2, 1, 2, 1, 1]
    assert {topics[name].config["message.timestamp.type"] for name in (SOURCE, DEAD, STATE, FEED)} == {"LogAppendTime"}
    assert topics[SOURCE].config["retention.ms"] == str(7 * 86_400_000)
    assert topics[STATE].config["retention.ms"] == str(35 * 86_400_000)  # longer than the window of 14 days needs
    with stack.registry() as registry:
        for subject in ("applied.price_report-value", f"{FEED}-value", f"{OTHER_FEED}-value"):
            assert registry.versions(subject) == [1]
            assert registry.compatibility(subject) == "BACKWARD_TRANSITIVE"
        schema = json.loads(registry.latest("applied.price_report-value").schema)
    assert schema == json.loads((applied.root / EVENT).read_text())
    for party in PARTIES:
        secret = stack.home / "secrets" / f"{party}.json"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_dry_run_shows_every_change_and_makes_none(stack, applied) -> None:
    applied.changes()
    applied.edit(TOPIC, "retention: 7d", "retention: 8d")
    applied.edit(EVENT, PIECES, f'{{"name": "note", "type": ["null", "string"], "default": null, "classification": 1, '
                                f'"identifies": "none", "doc": "A note."}},\n    {PIECES}')  # fmt: skip
    shown = applied.run("--dry-run")
    assert shown.exit_code == 0, shown.output
    assert f"~ alter topic {SOURCE}: retention.ms 604800000 -> 691200000" in shown.stdout
    assert "+ register schema applied.price_report-value: the version after 1" in shown.stdout
    assert "this was a dry run" in shown.stdout
    assert stack.admin.topics()[SOURCE].config["retention.ms"] == "604800000"
    planned = applied.changes("--dry-run")
    assert applied.changes()["changes"] == planned["changes"]
    assert stack.admin.topics()[SOURCE].config["retention.ms"] == "691200000"
    with stack.registry() as registry:
        assert registry.versions("applied.price_report-value")[-1] == 2
    applied.edit(TOPIC, "retention: 8d", "retention: 7d")
    applied.changes()


def test_an_incompatible_schema_is_refused_before_anything_changes(stack, applied) -> None:
    applied.changes()
    before = stack.admin.topics()
    applied.edit(EVENT, PIECES, PIECES.replace("int", "long").replace("pieces", "count"))
    applied.edit("feeds/applied-cdc/dear-masks.yaml", "pieces: report.pieces", "count: report.count")
    applied.edit("feeds/applied-watch/all-prices.yaml", "pieces: report.pieces", "count: report.count")
    applied.edit("examples/applied.price_report/masks.jsonl", '"pieces": 120', '"count": 120')
    applied.edit("examples/applied.price_report/masks.jsonl", '"pieces": 0', '"count": 0')
    applied.edit(TOPIC, "retention: 7d", "retention: 9d")
    result = applied.run()
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    event = next(line for line in lines if line.startswith(EVENT))
    assert event.startswith(f"{EVENT}:19: applied.price_report-value: count: not written, and without a default")
    assert "reader_field_missing_default_value" in event
    assert "cannot read what version 1 wrote" in event
    assert "used by the feeds applied-cdc/dear-masks, applied-watch/all-prices" in event
    assert any(line.startswith("feeds/applied-cdc/dear-masks.yaml:") for line in lines)
    assert stack.admin.topics() == before


def test_another_number_of_partitions_is_refused_and_says_why(stack, applied) -> None:
    applied.changes()
    applied.edit(TOPIC, "partitions: 2", "partitions: 3")
    result = applied.run()
    assert result.exit_code == 1
    assert f"{TOPIC}:7: topic {SOURCE} has 2 partitions, 3 are asked for" in result.stdout
    assert "keys would move, and order and deduplication would break" in result.stdout
    assert stack.admin.topics()[SOURCE].partitions == 2


def test_a_party_writes_its_own_topics_and_reads_its_own_feeds_alone(stack, applied) -> None:
    applied.changes()
    producer = open_producer(stack.connection("applied-jd"))
    assert producer.send(SOURCE, key=b"shop-1", value=b"x").get(10).topic == SOURCE
    for topic in (FEED, DEAD, STATE):
        with pytest.raises(TopicAuthorizationFailedError):
            producer.send(topic, value=b"x").get(10)
    close_producer(producer)
    _read(stack, "applied-cdc", FEED)
    _read(stack, "applied-watch", DEAD)
    _join(stack, "applied-cdc", FEED, "applied-cdc.test")
    for party, topic in (
        ("applied-cdc", OTHER_FEED),
        ("applied-cdc", SOURCE),
        ("applied-cdc", DEAD),
        ("applied-jd", SOURCE),
    ):
        with pytest.raises(TopicAuthorizationFailedError):
            _read(stack, party, topic)
    with pytest.raises(GroupAuthorizationFailedError):
        _join(stack, "applied-cdc", FEED, "applied-watch.test")
    consumer_as_publisher = open_producer(stack.connection("applied-cdc"))
    with pytest.raises(TopicAuthorizationFailedError):
        consumer_as_publisher.send(SOURCE, value=b"x").get(10)
    close_producer(consumer_as_publisher)


def _read(stack, party: str, topic: str) -> None:
    """Look for the first records of a topic; what the broker refuses is raised."""
    consumer = open_consumer(stack.connection(party))
    try:
        places = [TopicPartition(topic, 0), TopicPartition(topic, 1)] if topic == SOURCE else [TopicPartition(topic, 0)]
        consumer.beginning_offsets(places)
        consumer.assign(places)
        consumer.seek_to_beginning()
        consumer.poll(2000)
    finally:
        consumer.close()


def _join(stack, party: str, topic: str, group: str) -> None:
    """Join a group until it gives a partition; what the broker refuses is raised."""
    consumer = open_consumer(stack.connection(party), group, [topic])
    deadline = time.monotonic() + 30
    try:
        while not consumer.assignment():
            assert time.monotonic() < deadline, f"{group} got no partition of {topic}"
            consumer.poll(500)
    finally:
        consumer.close()


def test_a_lost_secret_is_renewed_and_a_kept_one_is_not(stack, applied) -> None:
    applied.changes()
    secrets = Secrets(stack.home / "secrets")
    old, kept = secrets.read("applied-cdc"), secrets.read("applied-jd")
    secrets.remove("applied-cdc")
    changed = applied.changes()["changes"]
    assert [(change["action"], change["name"]) for change in changed] == [("renew password", "applied-cdc")]
    assert secrets.read("applied-jd") == kept
    open_consumer(stack.connection("applied-cdc"), "applied-cdc.test").close()
    with pytest.raises(Denied):
        open_consumer(replace(stack.connection("applied-cdc"), password=old), "applied-cdc.test")


def test_what_the_catalogue_no_longer_names_is_kept_until_its_removal_is_allowed(stack, applied) -> None:
    applied.changes()
    (applied.root / "feeds/applied-cdc/dear-masks.yaml").unlink()
    (applied.root / "parties/applied-cdc.yaml").unlink()
    kept = {(row["action"], row["name"]) for row in applied.changes()["kept"]}
    assert {("delete topic", FEED), ("remove principal", "applied-cdc"), ("revoke", "applied-cdc")} <= kept
    assert FEED in stack.admin.topics()

    # The stack is shared: what other tests made is kept out of sight of the comparison.
    catalogue, secrets = load(applied.root), Secrets(stack.home / "secrets")
    wanted = desired(catalogue, lanes(catalogue))
    with stack.registry() as registry:
        notebook = Notebook(stack.connection())
        there = observe(stack.admin, registry, secrets, notebook, [schema.subject for schema in wanted.schemas])
        mine = replace(
            there,
            topics={name: topic for name, topic in there.topics.items() if "applied" in name},
            acls=frozenset(acl for acl in there.acls if acl.principal.startswith("applied-")),
            principals=frozenset(name for name in there.principals if name.startswith("applied-")),
            secrets=frozenset(name for name in there.secrets if name.startswith("applied-")),
        )
        apply(compare(wanted, mine, applied.root, now_ms=0).removals, stack.admin, registry, secrets, notebook)
    assert FEED not in stack.admin.topics()
    assert {SOURCE, DEAD, STATE, OTHER_FEED} <= set(stack.admin.topics())
    assert "applied-cdc" not in stack.admin.principals()
    assert not [acl for acl in stack.admin.acls() if acl.principal == "applied-cdc"]
    assert "applied-cdc" not in secrets.principals()
    assert applied.changes()["changes"] == []
    with pytest.raises(Denied):
        stack.connection("applied-cdc")


def test_rights_are_exactly_those_of_the_catalogue(stack, applied) -> None:
    applied.changes()
    granted = {acl for acl in stack.admin.acls() if acl.principal in PARTIES}
    expected = {Acl("applied-jd", "topic", "literal", SOURCE, right) for right in ("write", "describe")}
    for party, topic in (("applied-watch", DEAD), ("applied-watch", OTHER_FEED), ("applied-cdc", FEED)):
        expected |= {Acl(party, "topic", "literal", topic, right) for right in ("read", "describe")}
        expected.add(Acl(party, "group", "prefixed", f"{party}.", "read"))
    assert granted == expected


def test_a_stack_that_is_down_is_said_to_be_down(applied, tmp_path) -> None:
    result = replace(applied, env={**applied.env, "GEBUS_HOME": str(tmp_path / "nothing")}).run()
    assert isinstance(result.exception, StackError)
    assert "start one with `gebus up`" in str(result.exception)
