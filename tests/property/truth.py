"""What a consumer of a feed that follows corrections should hold, by what its sources said and the words of the steps.

Nothing here remembers or forgets: what was said lies in a list, with its time, and the promise is read off it. A thing
said of a record more than `within` after it, or after its partner, may go unheard, and nothing else may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gebus.model.relation import Join, Reconcile

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A revision that a party published, and when it was appended."""

    side: str
    record: Record
    at_ms: int

    @property
    def entity(self) -> tuple[str, str, str]:
        return self.side, self.record["source"], self.record["entity_id"]


@dataclass(frozen=True, slots=True)
class Held:
    """What a consumer has of an entity: the events that it was made of, None for a side that is null."""

    events: tuple[str | None, ...]


class Truth:
    """All that was said, and what follows from it at `now_ms` for one feed."""

    def __init__(self, relation: Join | Reconcile, within_ms: int, kept_ms: int, lowest: Mapping[str, int]) -> None:
        """`lowest`: the least `row` that the condition of an alias asks for; under `""`, one behind the relation."""
        self.relation, self.within_ms, self.kept_ms, self._lowest = relation, within_ms, kept_ms, lowest
        self._said: dict[tuple[str, str, str], list[Said]] = {}
        self._by_event: dict[str, Said] = {}
        self.now_ms = 0

    def say(self, said: Said) -> None:
        """A revision that is not above the last one says nothing."""
        self.now_ms = said.at_ms
        history = self._said.setdefault(said.entity, [])
        if not history or said.record["revision"] > history[-1].record["revision"]:
            history.append(said)
            self._by_event[said.record["event_id"]] = said

    def wrong(self, held: Sequence[Held]) -> Iterator[str]:
        """Everything that the consumer has and should not have, or should have and has not."""
        for one in held:
            yield from (f"{one} is held, but {why}" for why in self._false(one))
        missing = set(filter(self._passes, self._due())) - {one.events for one in held}
        yield from (f"{events} is not held" for events in sorted(missing, key=repr))

    def _passes(self, events: tuple[str | None, ...]) -> bool:
        """The condition behind the relation, which looks at the first record."""
        return self._by_event[str(events[0])].record["row"] >= self._lowest.get("", 0)

    def _false(self, held: Held) -> Iterator[str]:
        if any(event is not None and event not in self._by_event for event in held.events):
            yield "it was superseded when it was said"
            return
        parents = [self._by_event[event] for event in held.events if event is not None]
        if not self._passes(held.events):
            yield "it fails a condition"
        for parent in parents:
            later = self._next(parent)
            if not self._stands(parent):
                yield f"{parent.record['event_id']} never stood"
            elif later is not None and all(self._near(later.at_ms, one.at_ms) for one in parents):
                yield f"{later.record['event_id']} took the place of {parent.record['event_id']}"
                return
        if any(self._next(parent) is not None for parent in parents):
            return  # the change went unheard, and what else followed from it
        yield from self._unlike(held, parents) if isinstance(self.relation, Join) else self._beaten(parents)

    def _unlike(self, held: Held, parents: list[Said]) -> Iterator[str]:
        """Why these are no pair."""
        assert isinstance(self.relation, Join)
        if len({self._key(parent) for parent in parents}) != 1:
            yield "its records do not agree"
        if self.relation.matches == "each-pair":
            if not self._near(parents[0].at_ms, parents[1].at_ms):
                yield "its records are too far apart"
            return
        left, row = parents[0], parents[1] if held.events[1] is not None else None
        for other in self._rows(left):
            if row is None or self._order(other) > self._order(row):
                yield f"{other.record['event_id']} is its row"

    def _beaten(self, parents: list[Said]) -> Iterator[str]:
        """Why the last of these does not win, or not against the other."""
        winner, losers = parents[-1], parents[:-1]
        for other in self._standing(self._key(winner)):
            fresh = self._near(self.now_ms, other.at_ms) and all(self._near(other.at_ms, one.at_ms) for one in parents)
            if fresh and self._rank(other) < self._rank(winner):
                yield f"{other.record['event_id']} wins"
        if losers and not self._differ(*losers, winner):
            yield "they agree"

    def _due(self) -> Iterator[tuple[str | None, ...]]:
        """What must be there: said lately, and of what is remembered without a doubt."""
        if isinstance(self.relation, Reconcile):
            yield from self._due_of_parties(self.relation)
        elif self.relation.matches == "each-pair":
            yield from self._due_pairs(self.relation)
        else:
            yield from self._due_answers(self.relation)

    def _due_pairs(self, join: Join) -> Iterator[tuple[str | None, ...]]:
        for left in self._all(join.left):
            for right in self._all(join.right):
                pair = self._key(left) == self._key(right) and self._near(left.at_ms, right.at_ms)
                if pair and self._lately(left, right):
                    yield _events(left, right)

    def _due_answers(self, join: Join) -> Iterator[tuple[str | None, ...]]:
        for left in self._all(join.left):
            rows = sorted(self._rows(left), key=self._order)
            unheard = any(self._went_unheard(said) for said in self._everything(join.right, self._key(left)))
            if unheard or not self._lately(left) or self._older_ones(left):
                continue
            if rows:
                yield _events(left, rows[-1])
            elif join.unmatched == "left":
                yield left.record["event_id"], None

    def _due_of_parties(self, reconcile: Reconcile) -> Iterator[tuple[str | None, ...]]:
        for key in {self._key(said) for said in self._all(reconcile.of)}:
            if any(self._went_unheard(said) for said in self._everything(reconcile.of, key)):
                continue
            winner, *losers = sorted(self._standing(key), key=self._rank)
            if reconcile.gives == "winner":
                if self._lately(winner):
                    yield _events(winner)
                continue
            for loser in losers:
                near = self._near(self.now_ms, loser.at_ms) and self._near(self.now_ms, winner.at_ms)
                if near and self._lately(loser, winner) and self._differ(loser, winner):
                    yield _events(loser, winner)

    def _rows(self, left: Said) -> Iterator[Said]:
        """The rows that a left record may have, and that were remembered for as long as it was."""
        assert isinstance(self.relation, Join)
        end_ms = min(self.now_ms, left.at_ms + self.within_ms)
        for row in self._all(self.relation.right):
            met = row.at_ms <= left.at_ms + self.within_ms and self._near(end_ms, row.at_ms)
            if met and self._key(row) == self._key(left) and self._holds(left, row):
                yield row

    def _older_ones(self, left: Said) -> list[Said]:
        """Rows that were forgotten while the left record was remembered: whether it has one of them is left open."""
        assert isinstance(self.relation, Join)
        rows = [row for row in self._all(self.relation.right) if self._key(row) == self._key(left)]
        known = list(self._rows(left))
        best = max(map(self._order, known), default=None)
        return [row for row in rows if row not in known and (best is None or self._order(row) > best)]

    def _holds(self, left: Said, row: Said) -> bool:
        assert isinstance(self.relation, Join)
        return self.relation.matches == "latest" or row.record["occurred_at"] <= left.record["occurred_at"]

    def _order(self, row: Said) -> tuple[int, int]:
        assert isinstance(self.relation, Join)
        return row.record["occurred_at"] if self.relation.matches == "valid-at" else 0, row.at_ms

    def _rank(self, said: Said) -> tuple[int, int, int, str, str]:
        assert isinstance(self.relation, Reconcile)
        record, authority = said.record, self.relation.authority
        place = authority.index(record["source"]) if record["source"] in authority else len(authority)
        return place, -record["revision"], -record["occurred_at"], record["source"], record["entity_id"]

    def _differ(self, one: Said, other: Said) -> bool:
        assert isinstance(self.relation, Reconcile)
        return any(one.record[name] != other.record[name] for name in self.relation.compare)

    def _key(self, said: Said) -> tuple[Any, ...]:
        names = self.relation.on if isinstance(self.relation, Join) else self.relation.key
        return tuple(said.record[name] for name in names)

    def _stands(self, said: Said) -> bool:
        return said.record["status"] != "RETRACTED" and said.record["row"] >= self._lowest.get(said.side, 0)

    def _all(self, side: str) -> Iterator[Said]:
        """What a side says now."""
        for history in self._said.values():
            if history[-1].side == side and self._stands(history[-1]):
                yield history[-1]

    def _standing(self, key: tuple[Any, ...]) -> list[Said]:
        assert isinstance(self.relation, Reconcile)
        return [said for said in self._all(self.relation.of) if self._key(said) == key]

    def _everything(self, side: str, key: tuple[Any, ...]) -> Iterator[Said]:
        """All that was ever said under a key."""
        for history in self._said.values():
            yield from (said for said in history if said.side == side and self._key(said) == key)

    def _next(self, said: Said) -> Said | None:
        history = self._said[said.entity]
        at = history.index(said)
        return history[at + 1] if at + 1 < len(history) else None

    def _went_unheard(self, said: Said) -> bool:
        """Whether its entity said something else when it was remembered no more."""
        later = self._next(said)
        return later is not None and not self._near(later.at_ms, said.at_ms)

    def _near(self, one_ms: int, other_ms: int) -> bool:
        return abs(one_ms - other_ms) <= self.within_ms

    def _lately(self, *parents: Said) -> bool:
        """Whether the consumer's copy of what was made at the last of them is still kept."""
        return max(parent.at_ms for parent in parents) >= self.now_ms - self.kept_ms


def _events(*parents: Said) -> tuple[str, ...]:
    return tuple(parent.record["event_id"] for parent in parents)
