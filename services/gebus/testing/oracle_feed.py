"""One feed of the oracle: its own memory of keys and of what it delivered, its own records and accounts."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Any

from gebus.model.base import milliseconds
from gebus.model.catalogue import Catalogue
from gebus.model.event import ENVELOPE, AvroType, EventField, Mask
from gebus.model.feed import Deduplicate, DeduplicateStep, Feed, SelectStep, Step, WhereStep
from gebus.model.mask import mask_of
from gebus.model.relation import Join, Reconcile
from gebus.testing.oracle_condition import Condition
from gebus.testing.oracle_derive import Arrival, Composite, Record, blank, entity_of
from gebus.testing.oracle_inputs import brought_together_by, first_topic, relation_of, text_key, ways_of
from gebus.testing.oracle_join import EachPair, TableJoin
from gebus.testing.oracle_masks import Tokens, masked
from gebus.testing.oracle_policy import OracleMode, mode_of, token_rule, views
from gebus.testing.oracle_reconcile import Reconciled


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a record is taken."""

    topic: str
    slice: int
    at_ms: int
    key: bytes | None


@dataclass(frozen=True, slots=True)
class _Told:
    """What the consumer holds of an entity; without a record, the mark of one that it was told to forget."""

    revision: int
    at_ms: int
    record: Record | None


class FeedOracle:
    """A feed, given each record of its inputs in the order in which the lane took them."""

    def __init__(self, feed: Feed, catalogue: Catalogue, token_key: bytes, modes: Sequence[OracleMode] = ()) -> None:
        self.name, self.corrections = feed.id, feed.corrections
        self.delivered: list[tuple[bytes | None, Record]] = []
        self.accounts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """By Kafka topic."""
        self.relation = relation_of(feed)
        self.ways = ways_of(feed, catalogue)
        self._feed, self._modes, self._codes = feed, modes, catalogue.codes
        self._tokens = Tokens(token_key, *token_rule(catalogue.codes, feed.purpose))
        self._first_topics = {alias: first_topic(way, catalogue) for alias, way in self.ways.items()}
        ends = feed.grant and datetime.combine(feed.grant.expires_on, time(), UTC)
        self._expires_ms = int(ends.timestamp() * 1000) if ends else 1 << 62
        self._on = brought_together_by(feed, catalogue)
        self._memories: dict[int, EachPair | TableJoin | Reconciled] = {}
        self._told: dict[tuple[int, Any], _Told] = {}
        self._stands: dict[tuple[int, str, tuple[str, str]], tuple[str, int, int]] = {}
        self._seen: dict[tuple[str, int, tuple[Any, ...]], list[int]] = {}
        self._events = {alias: catalogue.events[topic] for alias, topic in feed.sources.items()}
        self._conditions = {
            step.where.name: Condition(step.where.when, self._schemas())
            for step in feed.steps
            if isinstance(step, WhereStep)
        }
        self._fields = self._selected()
        middle = next((at for at, step in enumerate(feed.steps) if _kind(step) in ("join", "reconcile")), None)
        self._before = feed.steps[: middle or 0]
        self._after = feed.steps if middle is None else feed.steps[middle + 1 :]

    def take(self, place: Place, alias: str, record: Record, *, moved: bool = False) -> list[str]:
        """One good record; what became of it, a word for each thing that was made of it."""
        self.tick(place.slice, place.at_ms)
        if self.relation is None:
            outcomes = [self._finish(place, entity_of(record), record, {alias: record})]
        else:
            outcomes = self._relate(place, alias, record, moved=moved)
        account = self.accounts[place.topic]
        account.update({"taken": 1, "more": len(outcomes) - 1})
        account.update(outcomes)
        return outcomes

    def lose(self, place: Place) -> None:
        """One record that is a dead letter for all feeds."""
        self.tick(place.slice, place.at_ms)
        self.accounts[place.topic].update(("taken", "dead"))

    def tick(self, slice_number: int, clock_ms: int) -> None:
        """It is that late in the slice."""
        if self.relation is None:
            return
        for arrival, composite in self._memory(slice_number).tick(clock_ms):
            at_ms = arrival.at_ms + milliseconds(self.relation.within)
            topic = self._first_topics[arrival.alias]
            place = Place(topic, slice_number, at_ms, None)
            self.accounts[topic].update(("more", self._compose(place, composite)))

    def _relate(self, place: Place, alias: str, record: Record, *, moved: bool) -> list[str]:
        steps = [step for step in self._before if _of(step) == alias]
        if moved:
            # Under the key that its entity left it is no repeat of itself under the new one.
            steps = [step for step in steps if not isinstance(step, DeduplicateStep)]
        outcome = self._passes(steps, place, {alias: record})
        follow, reconcile = self.corrections == "follow", isinstance(self.relation, Reconcile)
        if outcome == "duplicate" or (outcome == "filtered" and not follow) or (moved and not follow and not reconcile):
            return [outcome or "filtered"]
        withdrawn = moved or outcome == "filtered"
        if follow or reconcile:
            withdrawn = withdrawn or record["status"] == "RETRACTED"
        key, own = text_key(record, self._on), place.key or b""
        if moved:
            key = own.decode()
        kafka_key = own if own != key.encode() else None
        arrival = Arrival(record, alias, key, place.at_ms, withdrawn, kafka_key)
        arrivals = [arrival] if moved else self._arrivals(place.slice, arrival)
        answers = [self._memory(place.slice).offer(one) for one in arrivals]
        outcomes = [self._compose(place, composite) for answer in answers for composite in answer.composites]
        last = answers[-1].outcome if answers else "filtered"
        return [*outcomes, last] if last == "dead" else outcomes or [last]

    def _arrivals(self, slice_number: int, arrival: Arrival) -> list[Arrival]:
        """The record; before it what it takes back under the key that its entity left, where nobody tells of that.

        None, if its entity stands under another key by a later revision.
        """
        relation, way = self.relation, self.ways[arrival.alias]
        keeps_its_key = way.how != "to-all" and set(self._on) <= set(way.key)
        if relation is None or keeps_its_key or (isinstance(relation, Join) and self._feed.corrections != "follow"):
            return [arrival]
        identity = slice_number, arrival.alias, entity_of(arrival.record)
        key, revision, at_ms = self._stands.get(identity, (arrival.key, -1, arrival.at_ms))
        if arrival.at_ms - at_ms > milliseconds(relation.within):
            key, revision = arrival.key, -1
        if arrival.record["revision"] > revision:
            self._stands[identity] = arrival.key, arrival.record["revision"], arrival.at_ms
        elif key != arrival.key:
            return []
        if key == arrival.key:
            return [arrival]
        own = arrival.kafka_key or arrival.key.encode()
        left = replace(arrival, key=key, withdrawn=True, kafka_key=own if own != key.encode() else None)
        return [left, arrival]

    def _compose(self, place: Place, composite: Composite) -> str:
        place = place if composite.key is None else replace(place, key=composite.key)
        return self._finish(place, composite.envelope["entity_id"], composite.envelope, composite.sides)

    def _memory(self, slice_number: int) -> EachPair | TableJoin | Reconciled:
        if slice_number not in self._memories:
            self._memories[slice_number] = self._new_memory(slice_number)
        return self._memories[slice_number]

    def _new_memory(self, slice_number: int) -> EachPair | TableJoin | Reconciled:
        relation, follow = self.relation, self.corrections == "follow"

        def first_number(entity_id: str, at_ms: int) -> int:
            told = self._remembered(slice_number, entity_id, at_ms)
            return 0 if told is None else told.revision + 1

        if isinstance(relation, Join):
            within_ms = milliseconds(relation.within)
            if relation.matches == "each-pair":
                return EachPair(relation, within_ms, follow=follow)
            row = None if relation.unmatched == "left" else blank(self._events[relation.right])
            return TableJoin(relation, within_ms, row, first_number, follow=follow)
        if isinstance(relation, Reconcile):
            fields = [field.name for field in self._events[relation.of].fields]
            return Reconciled(relation, milliseconds(relation.within), fields, first_number)
        raise AssertionError(f"{self.name} brings nothing together")

    def _finish(self, place: Place, identity: Any, head: Record, sides: Mapping[str, Record | None]) -> str:
        """The steps after the relation, or all of them, and the delivery."""
        outcome = self._passes(self._after, place, sides)
        if outcome == "duplicate":
            return outcome
        passed = outcome == ""
        if self.corrections == "independent":
            return self._deliver(place, head, sides, {}) if passed else "filtered"
        told = self._remembered(place.slice, identity, place.at_ms)
        if told is not None and head["revision"] <= told.revision:
            return "filtered"
        stands = passed and head["status"] != "RETRACTED"
        if not stands and (told is None or told.record is None):
            return "filtered"
        taken_back: Record = {}
        if not stands and told is not None and told.record is not None:
            taken_back = {
                **told.record,
                **{name: head[name] for name in list(ENVELOPE)[:7]},
                "status": "RETRACTED",
            }
        outcome = self._deliver(place, head, sides, taken_back)
        if outcome == "delivered":
            # Remembered as the normal mode shows it: an emergency's end is no reason to show more.
            kept = self._projected(place.at_ms, head, sides, emergency=False) if stands else None
            self._told[place.slice, identity] = _Told(head["revision"], place.at_ms, kept)
        return outcome

    def _remembered(self, slice_number: int, identity: Any, at_ms: int) -> _Told | None:
        told = self._told.get((slice_number, identity))
        return None if told is None or at_ms - told.at_ms > milliseconds(self._feed.retention) else told

    def _deliver(self, place: Place, head: Record, sides: Mapping[str, Record | None], instead: Record) -> str:
        """Deliver the record, or what stands `instead` of it."""
        emergency = mode_of(self._modes, head["region"], place.at_ms) != ""
        if place.at_ms >= self._expires_ms or self._feed.mode == ("normal" if emergency else "emergency"):
            return "withheld"
        record = instead or self._projected(place.at_ms, head, sides, emergency=emergency)
        self.delivered.append((place.key, record))
        return "delivered"

    def _passes(self, steps: tuple[Step, ...] | list[Step], place: Place, sides: Mapping[str, Record | None]) -> str:
        """Empty, or the outcome of the first step that lets the record go no further."""
        for step in steps:
            if isinstance(step, WhereStep) and self._conditions[step.where.name].evaluate(sides) is not True:
                return "filtered"
            if isinstance(step, DeduplicateStep) and self._is_repeat(step.deduplicate, place, sides):
                return "duplicate"
        return ""

    def _is_repeat(self, step: Deduplicate, place: Place, sides: Mapping[str, Record | None]) -> bool:
        """A repeat lies in the same eighth of the window as an entry, or at most eight of them from it."""
        generation = place.at_ms // -(-milliseconds(step.within) // 8)
        key = tuple(_value(name if "." in name else f"{step.of}.{name}", sides) for name in dict.fromkeys(step.key))
        entries = self._seen.setdefault((step.name, place.slice, key), [])
        if any(abs(generation - entry) <= 8 for entry in entries):
            return True
        entries.append(generation)
        return False

    def _projected(self, at_ms: int, head: Record, sides: Mapping[str, Record | None], *, emergency: bool) -> Record:
        record = {}
        for name, (of, *masks) in self._fields.items():
            value = _value(of, sides) if "." in of else head[of]
            record[name] = masked(value, masks[emergency], self._tokens, self._lowest.get(of, 0), at_ms)
        return record

    def _selected(self) -> dict[str, tuple[str, Mask | None, Mask | None]]:
        """Delivered name -> what it is of, and how it is masked in each mode."""
        self._lowest = {
            f"{alias}.{field.name}": -(2 ** (31 if "int" in json.dumps(field.type) else 63))
            for alias, event in self._known().items()
            for field in event
        }
        fields: dict[str, tuple[str, Mask | None, Mask | None]] = {name: (name, None, None) for name in ENVELOPE}
        for step in self._feed.steps:
            if isinstance(step, SelectStep):
                for name, choice in step.select.fields.items():
                    of = choice if isinstance(choice, str) else choice.of
                    author = None if isinstance(choice, str) else mask_of(choice.mask)
                    alias, _, source = of.partition(".")
                    field = next(field for field in self._known()[alias] if field.name == source)
                    masks = views(self._codes, field, self._feed, author)
                    if masks is not None:
                        fields[name] = (of, *masks)
        return fields

    def _known(self) -> dict[str, tuple[EventField, ...]]:
        """The fields of each alias; a side that may be missing keeps its types, for a missing value is null anyway."""
        known = {alias: event.fields for alias, event in self._events.items()}
        if isinstance(self.relation, Reconcile) and self.relation.gives == "conflicts":
            fields = known[self.relation.of]
            level = max(field.level for field in fields if field.name in self.relation.compare)
            known["winner"] = fields
            known["conflict"] = (replace(fields[0], name="differs", type="string", level=level),)
        return known

    def _schemas(self) -> dict[str, AvroType]:
        schemas: dict[str, AvroType] = {alias: event.avro for alias, event in self._events.items()}
        if isinstance(self.relation, Reconcile):
            schemas["winner"] = schemas[self.relation.of]
            schemas["conflict"] = {"type": "record", "fields": [{"name": "differs", "type": "string"}]}
        return {alias: ["null", schema] for alias, schema in schemas.items()}


def _value(of: str, sides: Mapping[str, Record | None]) -> Any:
    alias, _, name = of.partition(".")
    side = sides[alias]
    return None if side is None else side[name]


def _kind(step: Step) -> str:
    return next(iter(type(step).model_fields))


def _of(step: Step) -> str | None:
    """The source that a step before a relation looks at."""
    if isinstance(step, WhereStep):
        return step.where.of
    return step.deduplicate.of if isinstance(step, DeduplicateStep) else None
