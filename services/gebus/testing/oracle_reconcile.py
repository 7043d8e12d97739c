"""Reconcile in plain Python: all assertions of a key are looked at anew whenever one arrives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gebus.model.relation import Reconcile
from gebus.testing.oracle_derive import Answer, Arrival, Composite, Record, digest, envelope, made


@dataclass(slots=True)
class _Assertion:
    record: Record
    at_ms: int
    live: bool


@dataclass(slots=True)
class _Said:
    """What was last emitted of one thing: the records, or None after a retraction; and how often anything was."""

    records: tuple[Record, ...] | None = None
    count: int = 0


@dataclass(slots=True)
class _Thing:
    """What is known under one key."""

    assertions: dict[str, _Assertion] = field(default_factory=dict)
    said: dict[str, _Said] = field(default_factory=dict)
    """By the losing party; the winner under ""."""
    touched_ms: int = 0


class Reconciled:
    """The memory of one slice."""

    def __init__(self, reconcile: Reconcile, within_ms: int) -> None:
        self.reconcile, self.within_ms = reconcile, within_ms
        self._things: dict[str, _Thing] = {}

    def tick(self, _clock_ms: int) -> list[tuple[Arrival, Composite]]:
        """Nothing is emitted because of time."""
        return []

    def offer(self, arrival: Arrival) -> Answer:
        """An assertion of a party, or its withdrawal."""
        record, party = arrival.record, arrival.record["source"]
        thing = self._things.setdefault(arrival.key, _Thing())
        if arrival.at_ms - thing.touched_ms > self.within_ms:
            thing = self._things[arrival.key] = _Thing()
        thing.assertions = {
            name: one for name, one in thing.assertions.items() if arrival.at_ms - one.at_ms <= self.within_ms
        }
        known = thing.assertions.get(party)
        if known is not None and record["revision"] <= known.record["revision"]:
            return Answer("filtered")
        live = [name for name, one in thing.assertions.items() if one.live]
        if not arrival.withdrawn and party not in live and len(live) >= self.reconcile.most:
            return Answer("dead")
        thing.assertions[party] = _Assertion(record, arrival.at_ms, not arrival.withdrawn)
        thing.touched_ms = arrival.at_ms
        gives = self._winner if self.reconcile.gives == "winner" else self._conflicts
        return made(list(gives(arrival.key, thing)), "filtered" if arrival.withdrawn else "waiting")

    def _winning(self, thing: _Thing) -> Record | None:
        ranks = {party: rank for rank, party in enumerate(self.reconcile.authority)}
        candidates = [one.record for one in thing.assertions.values() if one.live]
        return min(
            candidates,
            key=lambda one: (
                ranks.get(one["source"], len(ranks)),
                -one["revision"],
                -one["occurred_at"],
                one["source"].encode(),
            ),
            default=None,
        )

    def _winner(self, key: str, thing: _Thing) -> Iterator[Composite]:
        winner, said = self._winning(thing), thing.said.setdefault("", _Said())
        records = None if winner is None else (winner,)
        if _ids(records) == _ids(said.records):
            return
        shown = (records or said.records or ())[0]
        name = self.reconcile.name
        head = envelope(
            digest(name, key, str(said.count), shown["event_id"]),
            digest(name, key),
            said.count,
            [shown],
            shown,
            withdrawn=winner is None,
        )
        said.records, said.count = records, said.count + 1
        yield Composite(head, {self.reconcile.of: shown})

    def _conflicts(self, key: str, thing: _Thing) -> Iterator[Composite]:
        winner = self._winning(thing)
        for party in sorted({*thing.assertions, *thing.said}, key=str.encode):
            one, said = thing.assertions.get(party), thing.said.setdefault(party, _Said())
            loser = one.record if one is not None and one.live else None
            pair = None
            if winner is not None and loser is not None and loser is not winner and self._differing(loser, winner):
                pair = (loser, winner)
            if _ids(pair) != _ids(said.records):
                yield self._conflict(key, party, said, pair)

    def _conflict(self, key: str, party: str, said: _Said, pair: tuple[Record, ...] | None) -> Composite:
        loser, winner = pair or said.records or ()
        name = self.reconcile.name
        head = envelope(
            digest(name, key, str(said.count), winner["event_id"], party),
            digest(name, key, party),
            said.count,
            [loser, winner],
            winner,
            withdrawn=pair is None,
        )
        said.records, said.count = pair, said.count + 1
        sides: Mapping[str, Record | None] = {
            self.reconcile.of: loser,
            "winner": winner,
            "conflict": {"differs": ",".join(self._differing(loser, winner))},
        }
        return Composite(head, sides)

    def _differing(self, loser: Record, winner: Record) -> list[str]:
        return [name for name in self.reconcile.compare if loser[name] != winner[name]]


def _ids(records: tuple[Record, ...] | None) -> list[tuple[str, str]]:
    return [(record["source"], record["event_id"]) for record in records or ()]
