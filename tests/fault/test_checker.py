"""The checker is tested first: each anomaly is planted in a good history of each kind of feed, and found."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from tests.fault.checker import DEAD, KINDS, LOG, Anomaly, Expected, Kind, check
from tests.fault.expectation import digest, expect, identity, text
from tests.fault.history import Event, History
from tests.fault.world import CONSUMER, POISON, Traffic, write_catalogue

from gebus.catalogue import load
from gebus.model.catalogue import Catalogue
from gebus.model.leaf import ENTRY_BYTES
from gebus.plan import lanes
from gebus.testing.messages import FakeMessage
from gebus.testing.topology import COUNTS, Topology

DOMAIN, EVENTS = "f0", 1500
FEEDS = {"dedup": "once", "join": "pairs", "reconcile": "winner", "conflicts": "conflicts"}
INTERNAL = f"gebus.rekey.{DOMAIN}.seat"


@cache
def catalogue() -> Catalogue:
    with TemporaryDirectory() as root:
        write_catalogue(Path(root) / "schemas", DOMAIN)
        return load(Path(root) / "schemas")


@cache
def _good() -> tuple[History, Expected]:
    """What is recorded of lanes in memory that nothing happens to."""
    topology, history = Topology(lanes(catalogue())), History()
    for sent in islice(Traffic(Random(4)), EVENTS):
        name = f"{DOMAIN}.{sent.contract}"
        if sent.record is None:
            message = topology.publish_bytes(b"k1", POISON + sent.event_id.encode(), sent.party, to=name)
        else:
            record = {**sent.record, "occurred_at": topology.clock.now_ms}
            message = topology.publish(record, sent.party, to=name)
        history.note("sent", topic=message.topic(), id=sent.event_id)
        history.note("acknowledged", **_at(message), id=sent.event_id)
        topology.clock.advance(1)
    topology.run(100)
    _record(topology, history)
    return history, expect(history, catalogue())


def _record(topology: Topology, history: History) -> None:
    ids = {name: encoder.schema_id for name, encoder in topology.writers.items()}
    ids |= {name: topology.feeds[topic].schema_id for name, topic in topology.topics.items()}
    history.note("catalogue", domain=DOMAIN, ids=ids)
    contracts = {topic: part.contract for part in topology.inputs.values() for topic in part.topics}
    for message in topology.log.messages:
        value, key = message.value() or b"", message.key()
        poison = value.startswith(POISON)
        said = "" if poison else topology.writers[contracts[message.topic()]].decode(value)["event_id"]
        event_id = value.removeprefix(POISON).decode() if poison else said
        internal = message.topic().startswith(INTERNAL)
        own = identity(event_id, value) if internal else event_id
        at_ms = message.timestamp()[1]
        history.note("appended", **_at(message), at_ms=at_ms, key=text(key), value=text(value), id=own)
    offsets: Counter[str] = Counter()
    for name, delivery in topology.committed.delivered:
        value = delivery.value
        own = identity(delivery.record["event_id"], value)
        place = {"topic": topology.topics[name], "partition": 0, "offset": offsets[name]}
        history.note(
            "delivered", feed=name, **place, key=text(delivery.key), id=own, digest=digest(delivery.key, value)
        )
        offsets[name] += 1
    for leaf in topology.committed.leaves:
        digests = [leaf.entries[at + 8 : at + 16].hex() for at in range(0, len(leaf.entries), ENTRY_BYTES)]
        history.note("leaf", feed=leaf.feed, count=leaf.count, digests=digests)
    for letter in topology.committed.dead:
        history.note("dead", **_at(letter.message), reason=letter.reason)
    for (feed, topic), counts in topology.accounts_by_topic().items():
        if feed:
            history.note("account", topic=topic, feed=feed, counts={name: counts[name] for name in COUNTS})
    for message in topology.committed.taken:
        history.note("committed", **{**_at(message), "offset": message.offset() + 1})


def _at(message: FakeMessage) -> Event:
    return {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}


def good() -> tuple[History, Expected]:
    """A history that one may spoil."""
    history, expected = _good()
    return copy.deepcopy(history), expected


def deliveries(history: History, feed: str) -> list[Event]:
    return [event for event in history.of("delivered") if event["feed"] == feed]


def test_a_good_history_is_clean_and_uses_every_kind_of_state() -> None:
    history, expected = good()
    assert check(history, expected) == []
    outcomes = Counter[str]()
    for counts in expected.accounts.values():
        outcomes.update(counts)
    assert all(outcomes[name] for name in ("more", "delivered", "filtered", "duplicate", "dead", "waiting")), outcomes
    for feed in FEEDS.values():
        assert len(deliveries(history, f"{CONSUMER}/{DOMAIN}-{feed}")) > 100, feed


def plant_lost(history: History, feed: str, _expected: Expected) -> str:
    victim = deliveries(history, feed)[50]
    history.events.remove(victim)
    return str(victim["id"])


def plant_duplicate(history: History, feed: str, _expected: Expected) -> str:
    victim = deliveries(history, feed)[50]
    history.events.append({**victim, "offset": 1_000_000})
    return str(victim["id"])


def plant_phantom(history: History, feed: str, _expected: Expected) -> str:
    """A record with another content under a known id: what a lane would make of a lost state."""
    victim = deliveries(history, feed)[50]
    history.events.append({**victim, "offset": 1_000_000, "id": f"{victim['id'].partition(':')[0]}:000000000000"})
    return str(history.events[-1]["id"])


def plant_aborted_read(history: History, feed: str, _expected: Expected) -> str:
    victim = deliveries(history, feed)[50]
    place = {name: victim[name] for name in ("topic", "partition", "offset")}
    history.note("aborted", **place, last=victim["offset"])
    return str(victim["id"])


def plant_order(history: History, feed: str, expected: Expected) -> str:
    """Two records of one key change places."""
    orders = {(one.feed, one.id): one.order for one in expected.outputs}
    by_order: dict[str, list[Event]] = defaultdict(list)
    for event in deliveries(history, feed):
        by_order[orders[feed, event["id"]]].append(event)
    one, other = next(events[:2] for events in by_order.values() if len(events) > 1)
    first, second = history.events.index(one), history.events.index(other)
    history.events[first], history.events[second] = other, one
    return str(one["id"])


def plant_torn(history: History, feed: str, expected: Expected) -> str:
    """Of a record with several outputs one is gone."""
    outputs = Counter(one.cause for one in expected.outputs)
    torn = next(one for one in expected.outputs if one.feed == feed and outputs[one.cause] > 1)
    history.events.remove(next(event for event in deliveries(history, feed) if event["id"] == torn.id))
    return torn.id


def plant_torn_account(history: History, feed: str, _expected: Expected) -> str:
    account = next(event for event in history.of("account") if event["feed"] == feed and event["counts"]["delivered"])
    account["counts"]["delivered"] -= 1
    counted = account["counts"]["delivered"]
    return f"{account['topic']}: {counted} delivered by account, {counted + 1} by the log"


def leaves(history: History, feed: str) -> list[Event]:
    return [event for event in history.of("leaf") if event["feed"] == feed]


def plant_unproven(history: History, feed: str, _expected: Expected) -> str:
    victim = leaves(history, feed)[0]
    history.events.remove(victim)
    return f"{victim['digests'][0]} is under no leaf"


def plant_undelivered(history: History, feed: str, _expected: Expected) -> str:
    """A leaf says that a record was delivered again."""
    victim = leaves(history, feed)[0]
    history.events.append({**victim, "count": 1, "digests": victim["digests"][:1]})
    return f"{victim['digests'][0]} is under a leaf, and was not delivered"


def plant_miscounted(history: History, feed: str, _expected: Expected) -> str:
    victim = leaves(history, feed)[0]
    victim["count"] += 1
    return f"a leaf of {victim['count']} has {victim['count'] - 1} entries"


PLANTS: list[tuple[Kind, Callable[[History, str, Expected], str]]] = [
    ("lost", plant_lost),
    ("duplicate", plant_duplicate),
    ("phantom", plant_phantom),
    ("aborted-read", plant_aborted_read),
    ("order", plant_order),
    ("torn", plant_torn),
    ("torn", plant_torn_account),
    ("unproven", plant_unproven),
    ("unproven", plant_undelivered),
    ("unproven", plant_miscounted),
]


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize(("anomaly", "plant"), PLANTS, ids=lambda value: getattr(value, "__name__", value))
def test_an_anomaly_in_a_feed_is_found(
    kind: str, anomaly: Kind, plant: Callable[[History, str, Expected], str]
) -> None:
    history, expected = good()
    feed = f"{CONSUMER}/{DOMAIN}-{FEEDS[kind]}"
    what = plant(history, feed, expected)
    assert Anomaly(anomaly, feed, what) in check(history, expected)


def _first(history: History, kind: str) -> Event:
    return next(history.of(kind))


def lose_acknowledged(history: History, _expected: Expected) -> Anomaly:
    victim = next(event for event in history.of("appended") if "reading" in event["topic"])
    history.events.remove(victim)
    return Anomaly("lost", LOG, victim["id"])


def append_twice(history: History, _expected: Expected) -> Anomaly:
    victim = _first(history, "appended")
    history.events.append({**victim, "offset": 1_000_000})
    return Anomaly("duplicate", LOG, victim["id"])


def append_unsent(history: History, _expected: Expected) -> Anomaly:
    history.events.append({**_first(history, "appended"), "offset": 1_000_000, "id": "never-sent"})
    return Anomaly("phantom", LOG, "never-sent")


def lose_copy(history: History, expected: Expected) -> Anomaly:
    victim = next(event for event in history.of("appended") if event["topic"] in expected.internal)
    history.events.remove(victim)
    return Anomaly("lost", victim["topic"], victim["id"])


def lose_dead(history: History, _expected: Expected) -> Anomaly:
    victim = _first(history, "dead")
    history.events.remove(victim)
    return Anomaly("lost", DEAD, f"{victim['topic']}/{victim['partition']}@{victim['offset']}")


def repeat_dead(history: History, _expected: Expected) -> Anomaly:
    victim = _first(history, "dead")
    history.events.append(dict(victim))
    return Anomaly("duplicate", DEAD, f"{victim['topic']}/{victim['partition']}@{victim['offset']}")


def invent_dead(history: History, _expected: Expected) -> Anomaly:
    history.note("dead", topic="t", partition=0, offset=9, reason="tombstone")
    return Anomaly("phantom", DEAD, "t/0@9")


def misname_dead(history: History, _expected: Expected) -> Anomaly:
    victim = _first(history, "dead")
    victim["reason"] = "too_late"
    return Anomaly("phantom", DEAD, f"{victim['topic']}/{victim['partition']}@{victim['offset']}: too_late")


def go_back(history: History, _expected: Expected) -> Anomaly:
    last = list(history.of("committed"))[-1]
    history.events.append({**last, "offset": last["offset"] - 1})
    history.events.append(last)
    what = f"{last['topic']}/{last['partition']}: {last['offset']}, then {last['offset'] - 1}"
    return Anomaly("offset-regress", LOG, what)


def stop_early(history: History, _expected: Expected) -> Anomaly:
    last = list(history.of("committed"))[-1]
    history.events.remove(last)
    end = last["offset"]
    return Anomaly("unseen", LOG, f"{last['topic']}/{last['partition']}: {end - 1} of {end} were taken")


@pytest.mark.parametrize(
    "plant",
    [
        lose_acknowledged, append_twice, append_unsent, lose_copy, lose_dead, repeat_dead, invent_dead, misname_dead,
        go_back, stop_early,
    ],
)  # fmt: skip
def test_an_anomaly_beside_the_feeds_is_found(plant: Callable[[History, Expected], Anomaly]) -> None:
    history, expected = good()
    anomaly = plant(history, expected)
    assert anomaly in check(history, expected)


def test_every_kind_of_anomaly_is_planted() -> None:
    assert {*(kind for kind, _ in PLANTS), "offset-regress", "unseen"} == set(KINDS)


def test_a_history_survives_its_file(tmp_path: Path) -> None:
    history, _ = good()
    history.write(tmp_path / "history.jsonl.gz")
    assert History.read(tmp_path / "history.jsonl.gz") == history
