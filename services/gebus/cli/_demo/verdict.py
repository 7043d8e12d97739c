"""Whether the accounts add up: what was sent and received, counted by hand, against what the lanes say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gebus.cli._demo.expectations import EXPECTED, Expectation
from gebus.cli._demo.history import History, Planted, Told
from gebus.cli._demo.relations import RELATED, held
from gebus.cli._demo.relations import Row as StandingRow
from gebus.lanes.accounts import Counts, Row
from gebus.lanes.dead_letters import DeadLetter
from gebus.model.catalogue import Catalogue
from gebus.model.feed import Feed
from gebus.model.topic import TopicContract

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to hold. `found` says what does not, in words; empty if it holds."""

    name: str
    found: str = ""

    @property
    def holds(self) -> bool:
        return not self.found


@dataclass(frozen=True, slots=True)
class TopicAccount:
    """A party's topic: what was sent into it, by hand and by the SDK, and what the lane says."""

    topic: str
    sent: int
    planted: int
    skipped: int
    lane: Counts
    reasons: Mapping[str, int]
    """Of its dead letters."""


@dataclass(frozen=True, slots=True)
class FeedAccount:
    """A feed: what it has to hold by hand count (None for a feed that the demo does not know), what it held."""

    feed: str
    tier: int
    lane: Counts
    received: int
    expected: Counts | None
    in_the_end: int | None = None
    """Of a feed of joined or reconciled records: how many it must hold in the end, by hand."""

    @property
    def words(self) -> str:
        """What the count by hand says."""
        if self.in_the_end is not None:
            return f"{self.in_the_end} stand"
        return "not counted" if self.expected is None else "agrees" if self.expected == self.lane else "differs"


@dataclass(slots=True)
class Verdict:
    """The accounts, and every check."""

    topics: list[TopicAccount] = field(default_factory=list)
    feeds: list[FeedAccount] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks)


def judge(catalogue: Catalogue, history: History, rows: Sequence[Row], letters: Sequence[DeadLetter]) -> Verdict:
    """Compare everything with everything, but for what processors publish: the demo runs none."""
    verdict = Verdict()
    concluded = {processor.publishes for processor in catalogue.processors.values()}
    for contract in (one for one in catalogue.topics.values() if one.topic not in concluded):
        for party in contract.publishers:
            account = _topic(contract, party, history, rows, letters)
            verdict.topics.append(account)
            verdict.checks.append(_topic_check(account))
    feeds = (feed for feed in catalogue.feeds.values() if concluded.isdisjoint(feed.sources.values()))
    for feed in sorted(feeds, key=lambda feed: (next(iter(feed.sources.values())), feed.id)):
        verdict.checks += _judge_feed(feed, history, [row for row in rows if row.feed == feed.id], verdict.feeds)
    verdict.checks += _planted_checks(history.planted, letters)
    verdict.checks += [
        Check(f"{tried.who} {tried.what}: refused", "" if tried.refused else tried.answer) for tried in history.refusals
    ]
    verdict.checks.append(_worker_check(history))
    return verdict


def _topic(
    contract: TopicContract, party: str, history: History, rows: Sequence[Row], letters: Sequence[DeadLetter]
) -> TopicAccount:
    name, kafka_topic = contract.topic, contract.kafka_topic(party)
    lane = (row.counts for row in rows if row.topic == kafka_topic and not row.feed)
    return TopicAccount(
        topic=kafka_topic,
        sent=sum(told.topic == name and told.party == party for told in history.told),
        planted=sum(one.topic == name and one.party == party for one in history.planted),
        skipped=sum(topic == name for topic, _ in history.skipped.get(party, ())),
        lane=next(lane, Counts()),
        reasons=dict(Counter(letter.reason for letter in letters if letter.topic == kafka_topic)),
    )


def _topic_check(account: TopicAccount) -> Check:
    wrong = []
    if account.lane.taken != account.sent + account.planted:
        wrong.append(f"{account.sent + account.planted} records were sent, the lane took {account.lane.taken}")
    if account.lane.dead != account.planted:
        wrong.append(f"{account.planted} were planted, the lane found {account.lane.dead} dead")
    if sum(account.reasons.values()) != account.lane.dead:
        wrong.append(f"{account.lane.dead} dead, and {sum(account.reasons.values())} dead letters")
    return Check(f"{account.topic}: every record that was sent was taken", "; ".join(wrong))


def _judge_feed(feed: Feed, history: History, rows: Sequence[Row], accounts: list[FeedAccount]) -> Iterator[Check]:
    expectation, received = EXPECTED.get(feed.id), history.received.get(feed.id, [])
    expected = None if expectation is None else _expected(expectation, history)
    lane = sum((row.counts for row in rows), Counts())
    by_hand = None if expected is None else expected.counts
    standing = _standing(feed.id, history)
    stand = None if standing is None else standing.total()
    accounts.append(FeedAccount(feed.id, feed.tier, lane, len(received), by_hand, stand))
    wrong = []
    if not all(row.adds_up for row in rows):
        wrong.append(f"the parts do not add up to the {lane.taken} that were taken and the {lane.more} made of them")
    if len(received) != lane.delivered:
        wrong.append(f"{lane.delivered} were delivered, {len(received)} received")
    if by_hand is not None and by_hand != lane:
        wrong.append(f"by hand {by_hand}, by the lane {lane}")
    yield Check(f"{feed.id}: the account adds up", "; ".join(wrong))
    if expectation is not None and expected is not None:
        yield _record_check(feed.id, expectation, expected.delivered, received)
    if standing is not None:
        yield _standing_check(feed.id, standing, received)
        yield _revisions_check(feed.id, received)


def _standing(feed: str, history: History) -> Counter[StandingRow] | None:
    if feed not in RELATED:
        return None
    return Counter(RELATED[feed][1](history.told))


def _standing_check(feed: str, wanted: Counter[StandingRow], received: Sequence[Mapping[str, Any]]) -> Check:
    got = held(received, RELATED[feed][0])
    problems = {"missing": wanted - got, "unwanted": got - wanted}
    wrong = [
        f"{what}: {found.total()}, as {'; '.join(map(str, list(found)[:_SHOWN]))}"
        for what, found in problems.items()
        if found
    ]
    return Check(f"{feed}: in the end exactly what stands, and nothing that was taken back", "; ".join(wrong))


def _revisions_check(feed: str, received: Sequence[Mapping[str, Any]]) -> Check:
    last: dict[str, int] = {}
    wrong = []
    for record in received:
        entity, revision = str(record["entity_id"]), int(record["revision"])
        if revision <= last.get(entity, -1):
            wrong.append(f"revision {revision} of {entity} after {last[entity]}")
        last[entity] = revision
    return Check(f"{feed}: revisions of an entity rise", "; ".join(wrong[:_SHOWN]))


@dataclass(frozen=True, slots=True)
class _Expected:
    counts: Counts
    delivered: Mapping[str, Mapping[str, Any]]


def _expected(expectation: Expectation, history: History) -> _Expected:
    told = [one for one in history.told if one.topic == expectation.topic]
    dead = sum(one.topic == expectation.topic for one in history.planted)
    duplicate = filtered = 0
    delivered: dict[str, Mapping[str, Any]] = {}
    seen: set[tuple[int, str]] = set()
    for one in sorted(told, key=_place):
        key = (one.partition, str(one.event[expectation.key]))
        if key in seen:
            duplicate += 1
            continue
        seen.add(key)
        if expectation.wanted(one.event):
            delivered[str(one.event["event_id"])] = one.event
        else:
            filtered += 1
    counts = Counts(taken=len(told) + dead, delivered=len(delivered), filtered=filtered, duplicate=duplicate, dead=dead)
    return _Expected(counts, delivered)


def _place(told: Told) -> tuple[str, int, int]:
    # Parties share no event id, and a slice takes each party's records in the order of the log.
    return told.party, told.partition, told.offset


def _record_check(
    feed: str, expectation: Expectation, wanted: Mapping[str, Mapping[str, Any]], received: Sequence[Mapping[str, Any]]
) -> Check:
    ids = Counter(str(record["event_id"]) for record in received)
    problems = {
        "twice": [event_id for event_id, count in ids.items() if count > 1],
        "missing": [event_id for event_id in wanted if event_id not in ids],
        "unwanted": [event_id for event_id in ids if event_id not in wanted],
    }
    wrong = [f"{what}: {len(found)}, as {', '.join(found[:_SHOWN])}" for what, found in problems.items() if found]
    fields: Counter[str] = Counter()
    for record in received:
        if (sent := wanted.get(str(record["event_id"]))) is not None:
            fields.update(expectation.violations(sent, record))
    wrong += [f"{name} is not as it must be in {count} records" for name, count in fields.items()]
    return Check(f"{feed}: exactly the records and fields that were meant, each once", "; ".join(wrong))


def _planted_checks(planted: Sequence[Planted], letters: Sequence[DeadLetter]) -> Iterator[Check]:
    for one in planted:
        same = [letter for letter in letters if letter.key == one.key and letter.value == one.value]
        reasons = ", ".join(letter.reason for letter in same)
        found = "" if [letter.reason for letter in same] == [one.reason] else f"dead letters: {reasons or 'none'}"
        yield Check(f"{one.what}: kept byte for byte as a dead letter, {one.reason}", found)


def usage_check(history: History) -> Check:
    """What every consumer holds is what was metered, record by record."""
    received = {feed: len(records) for feed, records in history.received.items() if records}
    metered = {feed: one.records for feed, one in history.metered.items()}
    wrong = [feed for feed in sorted({*received, *metered}) if received.get(feed) != metered.get(feed)]
    found = [f"{feed}: {received.get(feed, 0)} received, {metered.get(feed, 0)} metered" for feed in wrong[:_SHOWN]]
    return Check("usage is what was delivered", "; ".join(found))


def _worker_check(history: History) -> Check:
    found = "no worker was there to kill" if not history.killed else ""
    if history.killed and not history.replaced_by:
        found = f"worker {history.killed} was killed, and no other took its place"
    return Check("a killed worker is replaced", found)
