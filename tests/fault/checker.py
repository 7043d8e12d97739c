"""The judge of every fault test: pure, it compares a history with what the oracle expects of its log.

| anomaly | meaning |
| --- | --- |
| lost | acknowledged and not in the log; or expected of the log, and not delivered or dead |
| duplicate | delivered, dead, or appended once more than expected |
| phantom | in a feed, among the dead letters or in the log, and nothing that was sent is its cause |
| aborted-read | delivered from a transaction that was aborted |
| order | two records of one key out of order |
| torn | of one record's outputs only a part; or the accounts, committed with them, say otherwise |
| unproven | delivered and under no leaf of the ledger; or under a leaf, and not delivered |
| offset-regress | a committed offset of the group went back |
| unseen | at the end of the run not caught up |

Nothing comes from a worker's own counters but the accounts, and these are only compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.fault.history import Event, History

Kind = Literal["lost", "duplicate", "phantom", "aborted-read", "order", "torn", "unproven", "offset-regress", "unseen"]
KINDS: tuple[Kind, ...] = (
    "lost", "duplicate", "phantom", "aborted-read", "order", "torn", "unproven", "offset-regress", "unseen",
)  # fmt: skip
LOG, DEAD = "(log)", "(dead letters)"
"""What stands in a feed's place."""
Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True, order=True)
class Anomaly:
    """`feed` may be an internal topic, which lanes write as they write feeds."""

    kind: Kind
    feed: str
    what: str


@dataclass(frozen=True)
class Output:
    """One record that a feed, or an internal topic, must hold."""

    feed: str
    key: str
    id: str
    """The event id and a digest of all its bytes."""
    order: str
    """Outputs of one feed with the same `order` stand in the order in which they are expected."""
    cause: Place
    """The record of which it came."""


@dataclass
class Expected:
    """What must come of a log, said by the oracle."""

    outputs: list[Output] = field(default_factory=list)
    dead: list[tuple[Place, set[str]]] = field(default_factory=list)
    """Each with every reason that may be given."""
    accounts: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """By topic and feed."""
    internal: set[str] = field(default_factory=set)
    """The internal topics, whose `appended` records lanes have written."""


def check(history: History, expected: Expected) -> list[Anomaly]:
    """Every anomaly, in order; an empty list is a clean history."""
    lines: dict[str, list[Event]] = defaultdict(list)
    for event in history.events:
        lines[event["event"]].append(event)
    internal = [event for event in lines["appended"] if event["topic"] in expected.internal]
    published = [event for event in lines["appended"] if event["topic"] not in expected.internal]
    delivered = [*lines["delivered"], *({**event, "feed": event["topic"]} for event in internal)]
    return sorted(
        {
            *_log(lines["sent"], lines["acknowledged"], published),
            *_feeds(delivered, expected.outputs),
            *_dead(lines["dead"], expected.dead),
            *_aborted(delivered, lines["aborted"]),
            *_accounts(lines["account"], expected.accounts),
            *_leaves(lines["delivered"], lines["leaf"]),
            *_offsets(lines["committed"]),
            *_unseen(lines["appended"], lines["committed"]),
        }
    )


def _log(sent: Iterable[Event], acknowledged: Iterable[Event], published: Iterable[Event]) -> Iterator[Anomaly]:
    """What publishers did, and what the sources' topics hold."""
    tries, found = (Counter((event["topic"], event["id"]) for event in events) for events in (sent, published))
    places = {_place(event): event["id"] for event in published}
    for event in acknowledged:
        if places.get(_place(event)) != event["id"]:
            yield Anomaly("lost", LOG, event["id"])
    for (topic, event_id), times in found.items():
        if times > tries[topic, event_id]:
            yield Anomaly("duplicate" if tries[topic, event_id] else "phantom", LOG, event_id)


def _feeds(delivered: Iterable[Event], outputs: Iterable[Output]) -> Iterator[Anomaly]:
    """Each delivery is matched with the next expectation of the same feed, key and bytes."""
    open_: dict[tuple[str, str, str], deque[tuple[int, Output]]] = defaultdict(deque)
    causes: dict[Place, list[int]] = defaultdict(lambda: [0, 0])
    for position, output in enumerate(outputs):
        open_[output.feed, output.key, output.id].append((position, output))
        causes[output.cause][1] += 1
    last: dict[tuple[str, str], int] = {}
    for event in delivered:
        place = event["feed"], event["key"], event["id"]
        if place not in open_:
            yield Anomaly("phantom", event["feed"], event["id"])
        elif not open_[place]:
            yield Anomaly("duplicate", event["feed"], event["id"])
        else:
            position, output = open_[place].popleft()
            causes[output.cause][0] += 1
            order = output.feed, output.order
            if position < last.get(order, -1):
                yield Anomaly("order", output.feed, output.id)
            last[order] = max(position, last.get(order, -1))
    for left in open_.values():
        for _, output in left:
            yield Anomaly("lost", output.feed, output.id)
            if causes[output.cause][0]:
                yield Anomaly("torn", output.feed, output.id)


def _dead(dead: Iterable[Event], expected: Iterable[tuple[Place, set[str]]]) -> Iterator[Anomaly]:
    wanted: dict[Place, list[set[str]]] = defaultdict(list)
    for place, reasons in expected:
        wanted[place].append(reasons)
    found: dict[Place, list[str]] = defaultdict(list)
    for event in dead:
        found[_place(event)].append(event["reason"])
    for place in wanted.keys() | found.keys():
        here, there = found.get(place, []), wanted.get(place, [])
        if len(here) < len(there):
            yield Anomaly("lost", DEAD, _named(place))
        if len(here) > len(there):
            yield Anomaly("duplicate" if there else "phantom", DEAD, _named(place))
        if there and not set(here) <= set.union(*there):
            yield Anomaly("phantom", DEAD, f"{_named(place)}: {', '.join(here)}")


def _aborted(delivered: Iterable[Event], aborted: Iterable[Event]) -> Iterator[Anomaly]:
    void = {
        (event["topic"], event["partition"], offset)
        for event in aborted
        for offset in range(event["offset"], event["last"] + 1)
    }
    for event in delivered:
        if _place(event) in void:
            yield Anomaly("aborted-read", event["feed"], event["id"])


def _accounts(accounts: Iterable[Event], expected: Mapping[tuple[str, str], Mapping[str, int]]) -> Iterator[Anomaly]:
    said = {(event["topic"], event["feed"]): event["counts"] for event in accounts}
    for topic, feed in said.keys() | expected.keys():
        here, there = said.get((topic, feed), {}), expected.get((topic, feed), {})
        for name in sorted(here.keys() | there.keys()):
            if here.get(name, 0) != there.get(name, 0):
                what = f"{topic}: {here.get(name, 0)} {name} by account, {there.get(name, 0)} by the log"
                yield Anomaly("torn", feed, what)


def _leaves(delivered: Iterable[Event], leaves: Iterable[Event]) -> Iterator[Anomaly]:
    """Each delivery is one entry of a leaf of its feed, and each entry is of a delivery."""
    found = Counter((event["feed"], event["digest"]) for event in delivered)
    proven: Counter[tuple[str, str]] = Counter()
    for leaf in leaves:
        proven.update((leaf["feed"], digest) for digest in leaf["digests"])
        if leaf["count"] != len(leaf["digests"]):
            yield Anomaly("unproven", leaf["feed"], f"a leaf of {leaf['count']} has {len(leaf['digests'])} entries")
    for feed, digest in found - proven:
        yield Anomaly("unproven", feed, f"{digest} is under no leaf")
    for feed, digest in proven - found:
        yield Anomaly("unproven", feed, f"{digest} is under a leaf, and was not delivered")


def _offsets(committed: Iterable[Event]) -> Iterator[Anomaly]:
    last: dict[tuple[str, int], int] = {}
    for event in committed:
        place = event["topic"], event["partition"]
        if event["offset"] < last.get(place, 0):
            what = f"{event['topic']}/{event['partition']}: {last[place]}, then {event['offset']}"
            yield Anomaly("offset-regress", LOG, what)
        last[place] = event["offset"]


def _unseen(appended: Iterable[Event], committed: Iterable[Event]) -> Iterator[Anomaly]:
    ends: dict[tuple[str, int], int] = {}
    for event in appended:
        place = event["topic"], event["partition"]
        ends[place] = max(ends.get(place, 0), event["offset"] + 1)
    reached = {(event["topic"], event["partition"]): event["offset"] for event in committed}
    for (topic, partition), end in ends.items():
        if reached.get((topic, partition), 0) < end:
            what = f"{topic}/{partition}: {reached.get((topic, partition), 0)} of {end} were taken"
            yield Anomaly("unseen", LOG, what)


def _place(event: Event) -> Place:
    return event["topic"], event["partition"], event["offset"]


def _named(place: Place) -> str:
    return f"{place[0]}/{place[1]}@{place[2]}"
