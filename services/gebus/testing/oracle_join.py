"""Joins in plain Python: lists that are searched from end to end, in the order of arrival.

One object is the memory of one slice. An entry made at `t` is remembered at T while T - t <= within.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gebus.model.relation import Join
from gebus.testing.oracle_derive import Answer, Arrival, Composite, Record, digest, entity_of, envelope, made


@dataclass(slots=True)
class Entry:
    """A remembered record; one that is not `live` is the mark of a withdrawn one, and only its revision counts."""

    arrival: Arrival
    live: bool = True
    matched: bool = False
    emitted: int = 0
    """How many composites were made of it, as a left record of a table."""
    shown: Record | None = None
    """The row that its last composite was made with."""
    retracted: bool = True
    """Whether its last composite took it back, or there was none."""

    @property
    def revision(self) -> int:
        return int(self.arrival.record["revision"])


class _Memory:
    """What both kinds of join remember."""

    def __init__(self, join: Join, within_ms: int, *, follow: bool) -> None:
        self.join, self.within_ms, self.follow = join, within_ms, follow
        self.entries: list[Entry] = []

    def forget(self, at_ms: int) -> None:
        self.entries = [entry for entry in self.entries if at_ms - entry.arrival.at_ms <= self.within_ms]

    def known(self, arrival: Arrival) -> Entry | None:
        """The entry of the same identity, under the same key and on the same side."""
        return next(
            (
                entry
                for entry in self.entries
                if (entry.arrival.alias, entry.arrival.key) == (arrival.alias, arrival.key)
                and self._identity(entry.arrival) == self._identity(arrival)
            ),
            None,
        )

    def live(self, alias: str, key: str) -> list[Entry]:
        return [
            entry for entry in self.entries if entry.live and (entry.arrival.alias, entry.arrival.key) == (alias, key)
        ]

    def put(self, entry: Entry, instead_of: Entry | None) -> None:
        self.entries = [other for other in self.entries if other is not instead_of]
        self.entries.append(entry)

    def full(self, arrival: Arrival, known: Entry | None) -> bool:
        replaces = known is not None and known.live
        return not replaces and len(self.live(arrival.alias, arrival.key)) >= self.join.most

    def superseded(self, arrival: Arrival, known: Entry | None) -> bool:
        if known is None:
            return False
        return not self.follow or arrival.record["revision"] <= known.revision

    def _identity(self, arrival: Arrival) -> tuple[str, str]:
        return entity_of(arrival.record) if self.follow else ("", arrival.record["event_id"])


class EachPair(_Memory):
    """`matches: each-pair`."""

    def tick(self, clock_ms: int) -> list[tuple[Arrival, Composite]]:
        """What has been alone for too long, with the record that it is made of."""
        sides = {"left": [self.join.left], "right": [self.join.right], "both": [self.join.left, self.join.right]}
        alone = [
            entry.arrival
            for entry in self.entries
            if entry.live
            and not entry.matched
            and entry.arrival.alias in sides.get(self.join.unmatched, ())
            and clock_ms > entry.arrival.at_ms + self.within_ms
        ]
        self.forget(clock_ms)
        return [(arrival, self._composite(arrival, None, withdrawn=False)) for arrival in alone]

    def offer(self, arrival: Arrival) -> Answer:
        """A record of either side."""
        known = self.known(arrival)
        if self.superseded(arrival, known):
            return Answer("filtered")
        partners = self.live(self._other(arrival.alias), arrival.key)
        if self.follow and arrival.withdrawn:
            self.put(Entry(arrival, live=False), known)
            if known is None or not known.live:
                return Answer("filtered")
            return made([self._composite(arrival, one.arrival, withdrawn=True) for one in partners], "filtered")
        if self.full(arrival, known):
            return Answer("dead")
        self.put(Entry(arrival, matched=bool(partners)), known)
        for partner in partners:
            partner.matched = True
        return made([self._composite(arrival, one.arrival, withdrawn=False) for one in partners], "waiting")

    def _other(self, alias: str) -> str:
        return self.join.right if alias == self.join.left else self.join.left

    def _composite(self, one: Arrival, other: Arrival | None, *, withdrawn: bool) -> Composite:
        records = {one.alias: one.record, self._other(one.alias): None if other is None else other.record}
        left, right = records[self.join.left], records[self.join.right]
        parents = [record for record in (left, right) if record is not None]
        revision = sum(record["revision"] for record in parents)
        entities = [
            part for record in (left, right) for part in (entity_of(record) if record is not None else ("", ""))
        ]
        head = envelope(
            digest(self.join.name, *(record["event_id"] if record is not None else "" for record in (left, right))),
            digest(self.join.name, *entities),
            revision,
            parents,
            parents[0],
            withdrawn=withdrawn,
        )
        return Composite(head, records)


class TableJoin(_Memory):
    """`matches: latest` and `matches: valid-at`: the right side is a table."""

    def tick(self, clock_ms: int) -> list[tuple[Arrival, Composite]]:
        """Nothing is emitted because of time."""
        self.forget(clock_ms)
        return []

    def offer(self, arrival: Arrival) -> Answer:
        """A left record or a row."""
        self.forget(arrival.at_ms)
        known = self.known(arrival) if self.follow else None
        if self.superseded(arrival, known):
            return Answer("filtered")
        return self._left(arrival, known) if arrival.alias == self.join.left else self._row(arrival, known)

    def _left(self, arrival: Arrival, known: Entry | None) -> Answer:
        row = self._chosen(arrival, self.live(self.join.right, arrival.key))
        entry = Entry(arrival)
        if known is not None:
            entry.emitted, entry.shown, entry.retracted = known.emitted, known.shown, known.retracted
        if self.follow and arrival.withdrawn:
            entry.live = False
            answer = Answer("filtered")
            if not entry.retracted:
                answer = made([self._composite(entry, entry.shown, withdrawn=True)], "")
            self.put(entry, known)
            return answer
        alone = row is None and self.join.unmatched == "wait"
        stored = self.follow or alone
        if stored and self.full(arrival, known):
            return Answer("dead")
        if stored:
            self.put(entry, known)
        if not alone:
            return made([self._composite(entry, row, withdrawn=False)], "")
        if not entry.retracted:
            return made([self._composite(entry, entry.shown, withdrawn=True)], "")
        return Answer("waiting")

    def _row(self, arrival: Arrival, known: Entry | None) -> Answer:
        lefts = self.live(self.join.left, arrival.key)
        before = [self._chosen(left.arrival, self.live(self.join.right, arrival.key)) for left in lefts]
        withdrawn = self.follow and arrival.withdrawn
        if withdrawn:
            self.put(Entry(arrival, live=False), known)
        else:
            if not self.follow and self.join.matches == "latest":
                known = next(iter(self.live(self.join.right, arrival.key)), None)
            if self.full(arrival, known):
                return Answer("dead")
            self.put(Entry(arrival), known)
        rows = self.live(self.join.right, arrival.key)
        composites = []
        for left, old in zip(lefts, before, strict=True):
            new = self._chosen(left.arrival, rows)
            if new is old:
                continue
            gone = new is None and self.join.unmatched == "wait"
            composites.append(self._composite(left, old if gone else new, withdrawn=gone))
            if not self.follow:
                self.entries.remove(left)
        return made(composites, "filtered" if withdrawn else "waiting")

    def _chosen(self, left: Arrival, rows: Sequence[Entry]) -> Record | None:
        """The row that wins; `rows` are in the order of arrival."""
        records = [row.arrival.record for row in rows]
        if self.join.matches == "latest":
            return records[-1] if records else None
        valid = [row for row in records if row["occurred_at"] <= left.record["occurred_at"]]
        return max(reversed(valid), key=lambda row: row["occurred_at"], default=None)

    def _composite(self, left: Entry, row: Record | None, *, withdrawn: bool) -> Composite:
        record = left.arrival.record
        parents = [record] if row is None else [record, row]
        revision = left.emitted if self.follow else record["revision"]
        head = envelope(
            digest(self.join.name, record["event_id"], "" if row is None else row["event_id"]),
            digest(self.join.name, *entity_of(record)),
            revision,
            parents,
            record,
            withdrawn=withdrawn,
        )
        left.emitted, left.shown, left.retracted = left.emitted + 1, row, withdrawn
        return Composite(head, {self.join.left: record, self.join.right: row})
