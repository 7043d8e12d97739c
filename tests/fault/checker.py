"""The judge of every fault test: pure, it reads a recorded history and names what must not be in it.

A history is a file of JSON lines. What a test writes: `acknowledged` for each record that the log confirmed, in the
order of its key; `delivered` for each record that a read_committed reader of a feed found, in the order of the feed;
`dead` for each dead letter; `account` for what the lanes say of themselves. Nothing in it comes from a worker's own
counters but the accounts, and these are only compared with what was found.

| anomaly | meaning |
| --- | --- |
| lost | acknowledged, wanted by a feed, neither delivered there nor dead |
| duplicate | the same event id twice in one feed |
| phantom | a delivery, or a dead letter, without an acknowledged input that the feed wants |
| order | two records of one key out of order in a feed |
| torn | of one input's outputs only a part: feeds that both want it disagree, or the account and the log do |
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["lost", "duplicate", "phantom", "order", "torn"]


@dataclass(frozen=True, order=True)
class Anomaly:
    kind: Kind
    feed: str
    what: str


@dataclass
class History:
    """What happened. `wanted` is what each feed should hold of the acknowledged ids."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def acknowledged(self, event_id: str, key: str, number: int, wanted: Iterable[str]) -> None:
        """The log confirmed a record: the `number`-th of its key. A repeat is acknowledged again."""
        self._add("acknowledged", id=event_id, key=key, number=number, wanted=sorted(wanted))

    def delivered(self, feed: str, event_id: str) -> None:
        self._add("delivered", feed=feed, id=event_id)

    def dead(self, event_id: str) -> None:
        self._add("dead", id=event_id)

    def account(self, feed: str, taken: int, delivered: int) -> None:
        """The lanes say that so many records were taken for a feed, and so many delivered."""
        self._add("account", feed=feed, taken=taken, delivered=delivered)

    def write(self, path: Path) -> None:
        path.write_text("".join(json.dumps(event) + "\n" for event in self.events))

    @classmethod
    def read(cls, path: Path) -> History:
        return cls([json.loads(line) for line in path.read_text().splitlines()])

    def _add(self, event: str, **what: Any) -> None:
        self.events.append({"event": event, **what})


def check(history: History) -> list[Anomaly]:
    """Every anomaly, in order; an empty list is a clean history."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in history.events:
        by_kind[event["event"]].append(event)
    acknowledged = {event["id"]: event for event in reversed(by_kind["acknowledged"])}
    dead = Counter(event["id"] for event in by_kind["dead"])
    feeds: dict[str, list[str]] = {feed: [] for event in acknowledged.values() for feed in event["wanted"]}
    for event in by_kind["delivered"]:
        feeds.setdefault(event["feed"], []).append(event["id"])
    found = {Anomaly("phantom", "(dead letters)", event_id) for event_id in dead if event_id not in acknowledged}
    for feed, ids in feeds.items():
        found.update(_of_feed(feed, ids, acknowledged, dead))
    found |= _torn_inputs(feeds, acknowledged)
    found |= _torn_accounts(by_kind["account"], feeds, len(by_kind["acknowledged"]))
    return sorted(found)


def _of_feed(
    feed: str, ids: Sequence[str], acknowledged: Mapping[str, dict[str, Any]], dead: Mapping[str, int]
) -> Iterable[Anomaly]:
    counted = Counter(ids)
    wanted = {event_id for event_id, event in acknowledged.items() if feed in event["wanted"]}
    for event_id in wanted - counted.keys():
        if event_id not in dead:
            yield Anomaly("lost", feed, event_id)
    for event_id, times in counted.items():
        if times > 1:
            yield Anomaly("duplicate", feed, event_id)
        if event_id not in wanted:
            yield Anomaly("phantom", feed, event_id)
    last: dict[str, int] = {}
    for event_id in ids:
        event = acknowledged.get(event_id)
        if event is not None:
            if event["number"] < last.get(event["key"], -1):
                yield Anomaly("order", feed, event_id)
            last[event["key"]] = max(event["number"], last.get(event["key"], -1))


def _torn_inputs(feeds: Mapping[str, list[str]], acknowledged: Mapping[str, dict[str, Any]]) -> set[Anomaly]:
    held = {feed: set(ids) for feed, ids in feeds.items()}
    found = set()
    for event_id, event in acknowledged.items():
        there = [event_id in held[feed] for feed in event["wanted"]]
        if any(there) and not all(there):
            found.add(Anomaly("torn", ", ".join(event["wanted"]), event_id))
    return found


def _torn_accounts(accounts: Iterable[dict[str, Any]], feeds: Mapping[str, list[str]], inputs: int) -> set[Anomaly]:
    found = set()
    for account in accounts:
        feed, delivered = account["feed"], len(feeds.get(account["feed"], ()))
        if account["delivered"] != delivered:
            found.add(Anomaly("torn", feed, f"{account['delivered']} delivered by account, {delivered} in the feed"))
        if account["taken"] != inputs:
            found.add(Anomaly("torn", feed, f"{account['taken']} taken by account, {inputs} acknowledged"))
    return found
