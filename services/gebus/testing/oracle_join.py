"""Joins in plain Python: lists that are searched from end to end, in the order of arrival.

One object is the memory of one slice. An entry made at `t` is remembered at T while T - t <= within.
"""

from __future__ import annotations

from dataclasses import dataclass

from gebus.model.relation import Join
from gebus.testing.oracle_derive import (
    Answer,
    Arrival,
    Composite,
    FirstNumber,
    Record,
    digest,
    entity_of,
    envelope,
    made,
)


@dataclass(slots=True)
class Entry:
    """A remembered record; one that is not `live` is the mark of a withdrawn one, and only its revision counts."""

    arrival: Arrival
    live: bool = True
    matched: bool = False
    emitted: int = 0
    """How many composites were made of it, as a left record of a table that is followed."""
    out: bool = False
    """Whether the last of them stands."""
    row: tuple[str, str] | None = None
    """The entity of the row that it was made with."""

    @property
    def record(self) -> Record:
        return self.arrival.record


class _Memory:
    """What both kinds of join remember."""

    def __init__(self, join: Join, within_ms: int, *, follow: bool) -> None:
        self.join, self.within_ms, self.follow = join, within_ms, follow
        self.entries: list[Entry] = []

    def forget(self, at_ms: int) -> None:
        self.entries = [entry for entry in self.entries if at_ms - entry.arrival.at_ms <= self.within_ms]

    def all(self, alias: str, key: str) -> list[Entry]:
        """The entries of a side and key, in the order of arrival."""
        return [entry for entry in self.entries if (entry.arrival.alias, entry.arrival.key) == (alias, key)]

    def live(self, alias: str, key: str) -> list[Entry]:
        return [entry for entry in self.all(alias, key) if entry.live]

    def known(self, arrival: Arrival) -> Entry | None:
        """The entry of the same identity, under the same key and on the same side."""
        same = [entry for entry in self.all(arrival.alias, arrival.key) if self._is_same(entry.record, arrival.record)]
        return same[0] if same else None

    def put(self, entry: Entry, instead_of: Entry | None) -> None:
        """Remember it, as what arrived last."""
        self.entries = [other for other in self.entries if other is not instead_of]
        self.entries.append(entry)

    def full(self, arrival: Arrival, known: Entry | None) -> bool:
        """Whether the key would have one entry too many; the mark of a withdrawn one is one too."""
        return known is None and len(self.all(arrival.alias, arrival.key)) >= self.join.most

    def superseded(self, arrival: Arrival, known: Entry | None) -> bool:
        return self.follow and known is not None and arrival.record["revision"] <= known.record["revision"]

    def key_of_pair(self, arrival: Arrival, other: Arrival) -> bytes | None:
        """The Kafka key of the side that is not broadcast; None for the arrival's."""
        keyed = {"none": arrival.alias, "left": self.join.right, "right": self.join.left}[self.join.broadcast]
        if arrival.alias == keyed:
            return None
        return other.kafka_key or (other.key.encode() if arrival.kafka_key else None)

    def _is_same(self, one: Record, other: Record) -> bool:
        return entity_of(one) == entity_of(other) if self.follow else one["event_id"] == other["event_id"]


class EachPair(_Memory):
    """`matches: each-pair`."""

    def tick(self, clock_ms: int) -> list[tuple[Arrival, Composite]]:
        """What has been alone for too long, with the record that it is made of."""
        named = {"left": [self.join.left], "right": [self.join.right], "both": [self.join.left, self.join.right]}
        sides = named.get(self.join.unmatched, [])
        due = [
            entry.arrival
            for entry in self.entries
            if entry.live and not entry.matched and clock_ms > entry.arrival.at_ms + self.within_ms
        ]
        due.sort(key=lambda arrival: (arrival.at_ms, arrival.alias != self.join.left))
        self.forget(clock_ms)
        return [
            (arrival, self._composite(arrival, None, withdrawn=False, key=arrival.kafka_key or arrival.key.encode()))
            for arrival in due
            if arrival.alias in sides
        ]

    def offer(self, arrival: Arrival) -> Answer:
        """A record of either side."""
        known = self.known(arrival)
        if self.superseded(arrival, known):
            return Answer("filtered")
        if self.full(arrival, known):
            return Answer("dead")
        partners = self.live(self._other(arrival.alias), arrival.key)
        if arrival.withdrawn:
            partners = partners if known is not None and known.live else []
            self.put(Entry(arrival, live=False), known)
        else:
            self.put(Entry(arrival, matched=bool(partners)), known)
        for partner in partners:
            partner.matched = True
        composites = [
            self._composite(
                arrival, one.arrival, withdrawn=arrival.withdrawn, key=self.key_of_pair(arrival, one.arrival)
            )
            for one in partners
        ]
        return made(composites, "filtered" if arrival.withdrawn else "waiting")

    def _other(self, alias: str) -> str:
        return self.join.right if alias == self.join.left else self.join.left

    def _composite(self, one: Arrival, other: Arrival | None, *, withdrawn: bool, key: bytes | None) -> Composite:
        records = {one.alias: one.record, self._other(one.alias): None if other is None else other.record}
        left, right = records[self.join.left], records[self.join.right]
        parents = [record for record in (left, right) if record is not None]
        entities = [part for record in (left, right) for part in (entity_of(record) if record else ("", ""))]
        head = envelope(
            digest(self.join.name, *(record["event_id"] if record else "" for record in (left, right))),
            digest(self.join.name, *entities),
            sum(record["revision"] for record in parents),
            parents,
            parents[0],
            withdrawn=withdrawn,
        )
        return Composite(head, records, key)


class TableJoin(_Memory):
    """`matches: latest` and `matches: valid-at`: the right side is a table."""

    def __init__(
        self, join: Join, within_ms: int, blank_row: Record | None, first_number: FirstNumber, *, follow: bool
    ) -> None:
        """`blank_row` stands for a row that there is none of any more; None where null may stand there."""
        super().__init__(join, within_ms, follow=follow)
        self._blank_row, self._first_number = blank_row, first_number

    def tick(self, clock_ms: int) -> list[tuple[Arrival, Composite]]:
        """Nothing is emitted because of time."""
        self.forget(clock_ms)
        return []

    def offer(self, arrival: Arrival) -> Answer:
        """A left record or a row."""
        known = self.known(arrival)
        if self.superseded(arrival, known):
            return Answer("filtered")
        if not self.follow:
            return self._ask(arrival) if arrival.alias == self.join.left else self._answer(arrival)
        if self.full(arrival, known):
            if arrival.alias == self.join.left or self.join.matches == "valid-at":
                return Answer("dead")
            if arrival.withdrawn:
                return Answer("filtered")
            rows = self.all(arrival.alias, arrival.key)
            oldest = rows[: len(rows) + 1 - self.join.most]
            self.entries = [one for one in self.entries if not any(one is row for row in oldest)]
        return self._ask_again(arrival, known) if arrival.alias == self.join.left else self._correct(arrival, known)

    def _ask(self, arrival: Arrival) -> Answer:
        """An independent left record: answered at once, or waiting."""
        row = self._chosen(arrival.record, arrival.key)
        if row is not None or self.join.unmatched == "left":
            record = None if row is None else row.record
            return made([self._composite(arrival, record, arrival.record["revision"])], "")
        known = self.known(arrival)
        if self.full(arrival, known):
            return Answer("dead")
        self.put(Entry(arrival), known)
        return Answer("waiting")

    def _answer(self, arrival: Arrival) -> Answer:
        """An independent row: answers those that wait for it."""
        latest = self.join.matches == "latest"
        known = next(iter(self.all(arrival.alias, arrival.key)), None) if latest else self.known(arrival)
        if self.full(arrival, known):
            return Answer("dead")
        self.put(Entry(arrival), known)
        composites = []
        for left in self.live(self.join.left, arrival.key):
            if latest or arrival.record["occurred_at"] <= left.record["occurred_at"]:
                key = self.key_of_pair(arrival, left.arrival)
                composites.append(self._composite(left.arrival, arrival.record, left.record["revision"], key=key))
                self.entries.remove(left)
        return made(composites, "waiting")

    def _ask_again(self, arrival: Arrival, known: Entry | None) -> Answer:
        """A followed left record takes the place of its earlier revision."""
        entry = Entry(arrival, live=not arrival.withdrawn)
        if known is None:
            entry.emitted = self._first_number(self._entity(arrival), arrival.at_ms)
        else:
            entry.emitted, entry.out, entry.row = known.emitted, known.out, known.row
        self.put(entry, known)
        row = self._chosen(arrival.record, arrival.key)
        stands = entry.live and (row is not None or self.join.unmatched == "left")
        if not stands and not entry.out:
            return Answer("filtered" if arrival.withdrawn else "waiting")
        return made([self._told(entry, row, None if row is None else row.record, stands=stands)], "")

    def _correct(self, arrival: Arrival, known: Entry | None) -> Answer:
        """A followed row: every left record whose row it is, was or becomes is told again."""
        entity = entity_of(arrival.record)
        self.put(Entry(arrival, live=not arrival.withdrawn), known)
        composites = []
        for left in self.live(self.join.left, arrival.key):
            row = self._chosen(left.record, arrival.key)
            if left.row != entity and (row is None or entity_of(row.record) != entity):
                continue
            stands = row is not None or self.join.unmatched == "left"
            if stands or left.out:
                shown = row.record if row is not None else None if stands else arrival.record
                key = self.key_of_pair(arrival, left.arrival)
                composites.append(self._told(left, row, shown, stands=stands, key=key))
        return made(composites, "filtered" if arrival.withdrawn else "waiting")

    def _told(
        self, left: Entry, row: Entry | None, shown: Record | None, *, stands: bool, key: bytes | None = None
    ) -> Composite:
        """The next composite of a followed left record."""
        number = left.emitted
        left.emitted, left.out = number + 1, stands
        left.row = entity_of(row.record) if row is not None and stands else None
        return self._composite(left.arrival, shown, number, withdrawn=not stands, key=key)

    def _chosen(self, left: Record, key: str) -> Entry | None:
        """The row that wins."""
        rows = self.live(self.join.right, key)
        if self.join.matches == "latest":
            return rows[-1] if rows else None
        valid = [row for row in rows if row.record["occurred_at"] <= left["occurred_at"]]
        return max(reversed(valid), key=lambda row: row.record["occurred_at"], default=None)

    def _composite(
        self, asking: Arrival, row: Record | None, revision: int, *, withdrawn: bool = False, key: bytes | None = None
    ) -> Composite:
        left = asking.record
        parents = [left] if row is None else [left, row]
        # A followed left record can be told of the same two events more than once.
        number = [str(revision)] if self.follow and revision > 0 else []
        head = envelope(
            digest(self.join.name, left["event_id"], "" if row is None else row["event_id"], *number),
            self._entity(asking),
            revision,
            parents,
            left,
            withdrawn=withdrawn,
        )
        return Composite(head, {self.join.left: left, self.join.right: row or self._blank_row}, key)

    def _entity(self, left: Arrival) -> str:
        """One that moves is taken back under its old key, and begins anew under its new one."""
        return digest(self.join.name, *entity_of(left.record), *([left.key] if self.follow else []))
