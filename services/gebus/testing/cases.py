"""The cases that a feed carries: given these records, the feed holds exactly those.

`gebus test --help` explains the format.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest
from typing import Any

from gebus.catalogue import EventValidator
from gebus.catalogue.avro_values import WrongValue
from gebus.catalogue.event_json import compile_reader
from gebus.model.catalogue import Catalogue
from gebus.model.errors import EventRefused, GebusError
from gebus.model.event import ENVELOPE, AvroType
from gebus.model.feed import Case, Feed
from gebus.plan import FeedPlan, LanePlan
from gebus.testing.clock import START_MS
from gebus.testing.messages import Encoder
from gebus.testing.topology import Topology, token_key

_STEP_MS = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a case expects and the feed does not hold, or the other way round."""

    record: int
    """The position among the delivered records, from 1; 0 where it is not about one of them."""
    field: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case; it holds if there is no difference."""

    feed: str
    case: str
    differences: tuple[Difference, ...]
    outcomes: Mapping[str, int]
    """What became of the given records: delivered, filtered, duplicate, withheld, dead."""


def run_cases(catalogue: Catalogue, lane: LanePlan, feed: Feed) -> Iterator[CaseResult]:
    """Run every case of a feed through its lane, each on its own."""
    plan = next(plan for plan in lane.feeds if plan.name == feed.id)
    alone = replace(lane, feeds=(plan,))
    for case in feed.cases:
        try:
            yield _run(catalogue, alone, feed, case)
        except (_BadCase, EventRefused) as problem:
            yield CaseResult(feed.id, case.name, (Difference(0, "", "a case that can be run", str(problem)),), {})


class _BadCase(GebusError):
    """A case that cannot be run: its format is broken, or a record does not fit its schema."""


def _run(catalogue: Catalogue, lane: LanePlan, feed: Feed, case: Case) -> CaseResult:
    topology = Topology(lane)
    expected = [record for record in case.expect if set(record) != {"dead"}]
    expected_dead = [str(record["dead"]) for record in case.expect if set(record) == {"dead"}]
    contract = catalogue.topics[lane.name]
    validator = EventValidator(contract, catalogue.events[lane.name], catalogue.codes)
    for index, given in enumerate(case.given):
        record, party, at_ms = _given(given, feed, contract.publishers, START_MS + index * _STEP_MS, index)
        try:
            record = validator.from_json(record)
            if not expected_dead:
                validator.check(record)
            topology.publish(record, party, at_ms)
        except (EventRefused, ValueError, KeyError, GebusError) as error:
            raise _BadCase(f"given record {index + 1}: {error}") from error
    topology.run()
    differences = [
        *_records(lane.feeds[0], expected, topology.delivered(feed.id)),
        *_dead(expected_dead, [dead.reason for dead in topology.committed.dead]),
    ]
    outcomes = {name: count for name, count in topology.accounts().get(feed.id, Counter()).items() if name != "taken"}
    return CaseResult(feed.id, case.name, tuple(differences), outcomes)


def _given(
    given: Mapping[str, Any], feed: Feed, publishers: Sequence[str], at_ms: int, index: int
) -> tuple[dict[str, Any], str, int]:
    """The record with its defaults, who publishes it, and when the log takes it."""
    alias = next(iter(feed.sources))
    wrapped = isinstance(given.get(alias), Mapping) and set(given) <= {alias, "from", "at"}
    record = dict(given[alias] if wrapped else given)
    party = str(given.get("from", "") if wrapped else "") or str(record.get("source", publishers[0]))
    if party not in publishers:
        raise _BadCase(f"given record {index + 1}: from {party!r}; allowed: {', '.join(publishers)}")
    if wrapped and "at" in given:
        at_ms = _instant(given["at"], index)
    defaults = {
        "event_id": f"given-{index + 1}",
        "entity_id": "entity",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": at_ms,
        "published_at": at_ms,
        "source": party,
        "region": "100000",
    }
    return defaults | record, party, at_ms


def _instant(value: object, index: int) -> int:
    try:
        instant: datetime | None = datetime.fromisoformat(str(value))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise _BadCase(f"given record {index + 1}: at {value!r}; allowed: an instant as 2020-02-01T08:00:00Z")
    return round(instant.timestamp() * 1000)


def _records(
    plan: FeedPlan, expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]
) -> Iterator[Difference]:
    for number, (wanted, record) in enumerate(zip_longest(expected, got), 1):
        if record is None:
            yield Difference(number, "", _shown(wanted), "no record")
        elif wanted is None:
            yield Difference(number, "", "no record", _shown(record))
        else:
            yield from _fields(plan, number, wanted, record)


def _fields(plan: FeedPlan, number: int, wanted: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Difference]:
    fields = {field.name: field for field in plan.fields}
    values = _as_delivered(plan, number, wanted)
    for name, field in fields.items():
        token = field.outcome.mask is not None and field.outcome.mask.kind == "token"
        if not field.outcome.delivered:
            if name in wanted:
                yield Difference(number, name, _shown(wanted[name]), f"no such field: {field.outcome.reason}")
        elif name in values:
            if values[name] != record[name]:
                yield Difference(number, name, _shown(values[name]), _shown(record[name]))
        elif name not in ENVELOPE and not token:
            yield Difference(number, name, "nothing, for the case does not name it", _shown(record[name]))
    for name in wanted:
        if name not in fields:
            yield Difference(number, name, _shown(wanted[name]), "no such field: the feed does not select it")


def _as_delivered(plan: FeedPlan, number: int, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The expected values as they are read from the feed: instants and dates as integers, tokens computed."""
    types = {field.name: field.type for field in plan.delivered}
    values = {}
    for name in wanted:
        if name in types:
            try:
                values[name] = _as_read(_token(plan.name, wanted[name]), types[name])
            except (WrongValue, ValueError) as error:
                raise _BadCase(f"expected record {number}: {name}: {error}") from error
    return values


def _as_read(value: Any, avro: AvroType) -> Any:
    encoder = Encoder({"type": "record", "name": "One", "fields": [{"name": "value", "type": avro}]}, 0)
    convert = compile_reader(avro)
    return encoder.decode(encoder.encode({"value": value if convert is None else convert(value)}))["value"]


def _token(feed: str, value: Any) -> Any:
    if not isinstance(value, Mapping) or set(value) != {"token"}:
        return value
    return hmac.new(token_key(feed), str(value["token"]).encode(), hashlib.sha256).hexdigest()[:32]


def _dead(expected: Sequence[str], got: Sequence[str]) -> Iterator[Difference]:
    for wanted, reason in zip_longest(expected, got):
        if wanted != reason:
            yield Difference(
                0,
                "dead",
                f"dead letter: {wanted}" if wanted else "no dead letter",
                f"dead letter: {reason}" if reason else "no dead letter",
            )


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shown(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(part) for part in value) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)
