"""Reconcile in plain Python: all assertions of a key are looked at anew whenever one arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gebus.model.relation import Reconcile
from gebus.testing.oracle_derive import Answer, Arrival, Composite, FirstNumber, Record, digest, envelope, made

_Name = tuple[str, str]
"""Party and entity: two entities of one party are two assertions."""
_WINNER: _Name = ("", "")
_Order = tuple[bytes, bytes]


@dataclass(slots=True)
class _Assertion:
    record: Record
    at_ms: int
    live: bool


@dataclass(slots=True)
class _Said:
    """What was last emitted of one thing: the ids that it was made of, whether it stands; how often anything was."""

    ids: tuple[str, ...] = ()
    out: bool = False
    count: int = 0


@dataclass(slots=True)
class _Thing:
    """What is known under one key."""

    assertions: dict[_Name, _Assertion] = field(default_factory=dict)
    said: dict[_Name, _Said] = field(default_factory=dict)
    """By the loser; of the winner under its own name, which is no assertion's."""
    last_winner: _Name = _WINNER
    touched_ms: int = 0


class Reconciled:
    """The memory of one slice."""

    def __init__(self, reconcile: Reconcile, within_ms: int, fields: Sequence[str], first_number: FirstNumber) -> None:
        """`fields` are those of an assertion, in the order of its schema."""
        self._first_number, self._now_ms = first_number, 0
        self.reconcile, self.within_ms = reconcile, within_ms
        self._compared = [name for name in fields if name in reconcile.compare]
        self._things: dict[str, _Thing] = {}

    def tick(self, _clock_ms: int) -> list[tuple[Arrival, Composite]]:
        """Nothing is emitted because of time."""
        return []

    def offer(self, arrival: Arrival) -> Answer:
        """An assertion, or its withdrawal."""
        record, name, self._now_ms = arrival.record, _name(arrival.record), arrival.at_ms
        thing = self._remembered(arrival)
        known = thing.assertions.get(name)
        if known is not None and record["revision"] <= known.record["revision"]:
            return Answer("filtered")
        others = [one.live for other, one in thing.assertions.items() if other != name]
        no_room = known is None and len(others) >= 2 * self.reconcile.most
        if arrival.withdrawn and no_room:
            return Answer("filtered")
        if not arrival.withdrawn and (no_room or sum(others) >= self.reconcile.most):
            return Answer("dead")
        thing.assertions[name] = _Assertion(record, arrival.at_ms, not arrival.withdrawn)
        thing.touched_ms = arrival.at_ms
        thing.said = {of: said for of, said in thing.said.items() if of in (_WINNER, *thing.assertions)}
        gone = None
        if arrival.withdrawn:
            gone = known.record if known is not None and known.live else record
        gives = self._winner if self.reconcile.gives == "winner" else self._conflicts
        return made(list(gives(arrival.key, thing, gone)), "filtered" if arrival.withdrawn else "waiting")

    def _remembered(self, arrival: Arrival) -> _Thing:
        """What is still known of the key."""
        thing = self._things.setdefault(arrival.key, _Thing())
        if arrival.at_ms - thing.touched_ms > self.within_ms:
            thing = self._things[arrival.key] = _Thing()
        fresh = [name for name, one in thing.assertions.items() if arrival.at_ms - one.at_ms <= self.within_ms]
        thing.assertions = {name: thing.assertions[name] for name in fresh}
        return thing

    def _winning(self, thing: _Thing) -> Record | None:
        ranks = {party: rank for rank, party in enumerate(self.reconcile.authority)}

        def rank(one: Record) -> tuple[int, int, int, _Order]:
            return ranks.get(one["source"], len(ranks)), -one["revision"], -one["occurred_at"], _order(one)

        return min((one.record for one in thing.assertions.values() if one.live), key=rank, default=None)

    def _winner(self, key: str, thing: _Thing, gone: Record | None) -> Iterator[Composite]:
        winner, said = self._winning(thing), thing.said.setdefault(_WINNER, _Said())
        ids = () if winner is None else (winner["source"], winner["event_id"])
        if (said.out if winner is None else not said.out or said.ids != ids) and (shown := winner or gone):
            name, entity_id = self.reconcile.name, digest(self.reconcile.name, key)
            number = self._next(said, ids, entity_id)
            ids_and_revision = digest(name, key, str(number), shown["event_id"]), entity_id, number
            head = envelope(*ids_and_revision, [shown], shown, withdrawn=winner is None)
            yield Composite(head, {self.reconcile.of: shown})

    def _conflicts(self, key: str, thing: _Thing, gone: Record | None) -> Iterator[Composite]:
        winner = self._winning(thing)
        records = [one.record for one in thing.assertions.values() if one.live] + ([gone] if gone else [])
        before = next((one for one in records if _name(one) == thing.last_winner), None)
        for loser in sorted(records, key=_order):
            rival = winner if winner is not None and _name(winner) != _name(loser) else None
            differing = self._differing(loser, rival) if rival is not None and loser is not gone else []
            against = rival or before or loser
            said, ids = thing.said.setdefault(_name(loser), _Said()), (against["event_id"], loser["event_id"])
            if (not said.out or said.ids != ids) if differing else said.out:
                yield self._conflict(key, said, loser, against, differing)
        thing.last_winner = thing.last_winner if winner is None else _name(winner)

    def _conflict(self, key: str, said: _Said, loser: Record, winner: Record, differing: list[str]) -> Composite:
        name = self.reconcile.name
        entity_id = digest(name, key, *_name(loser))
        ids = (winner["event_id"], loser["event_id"]) if differing else ()
        number = self._next(said, ids, entity_id)
        head = envelope(
            digest(name, key, str(number), winner["event_id"], *_name(loser)),
            entity_id,
            number,
            [loser, winner],
            winner,
            withdrawn=not differing,
        )
        conflict = {"differs": ",".join(differing)}
        return Composite(head, {self.reconcile.of: loser, "winner": winner, "conflict": conflict})

    def _next(self, said: _Said, ids: tuple[str, ...], entity_id: str) -> int:
        """The number of an emission, which is noted; without ids it is a retraction."""
        number = said.count or self._first_number(entity_id, self._now_ms)
        said.out, said.ids, said.count = bool(ids), ids or said.ids, number + 1
        return number

    def _differing(self, loser: Record, winner: Record) -> list[str]:
        return [name for name in self._compared if loser[name] != winner[name]]


def _name(record: Record) -> _Name:
    return record["source"], record["entity_id"]


def _order(record: Record) -> _Order:
    return record["source"].encode(), record["entity_id"].encode()
