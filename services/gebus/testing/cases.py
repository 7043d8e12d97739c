"""The cases that a feed carries: given these records, the feed holds exactly those.

`gebus test --help` explains the format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
from gebus.testing.oracle_masks import Tokens
from gebus.testing.topology import OUTCOMES, Topology, token_key

_STEP_MS = 1000
_FOR_GOOD = 1 << 62


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
    """What became of the given records: delivered, filtered, duplicate, withheld, dead, waiting."""


def run_cases(catalogue: Catalogue, lanes: Sequence[LanePlan], feed: Feed) -> Iterator[CaseResult]:
    """Run every case of a feed through its lane, each on its own; `lanes` are those of the whole catalogue."""
    needed = _needed(lanes, feed)
    for case in feed.cases:
        try:
            yield _run(catalogue, needed, feed, case)
        except (_BadCase, EventRefused) as problem:
            yield CaseResult(feed.id, case.name, (Difference(0, "", "a case that can be run", str(problem)),), {})


def _needed(lanes: Sequence[LanePlan], feed: Feed) -> list[LanePlan]:
    """The lane of a feed without its other feeds, and of those that copy records for it the copying alone."""
    lane = next(lane for lane in lanes if any(plan.name == feed.id for plan in lane.feeds))
    alone = replace(lane, feeds=tuple(plan for plan in lane.feeds if plan.name == feed.id), rekeys=())
    inputs = {part.name for part in lane.inputs}
    copying = [
        replace(other, feeds=(), tables=(), rekeys=tuple(rekey for rekey in other.rekeys if rekey.name in inputs))
        for other in lanes
        if other.name != lane.name
    ]
    return [alone, *(other for other in copying if other.rekeys)]


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the expected records of a case are read with."""

    plan: FeedPlan
    mode: str
    instants: Sequence[int]
    """Of the given records."""


class _BadCase(GebusError):
    """A case that cannot be run: its format is broken, or a record does not fit its schema."""


@dataclass(frozen=True, slots=True)
class _Given:
    """One entry of a case: a record of a source, or without one only the time."""

    alias: str | None
    record: Mapping[str, Any]
    at_ms: int
    party: str = ""


def _run(catalogue: Catalogue, lanes: Sequence[LanePlan], feed: Feed, case: Case) -> CaseResult:
    topology = Topology(lanes)
    if case.mode == "emergency":
        topology.set_modes([("case", "", 0, _FOR_GOOD)])
    expected = [record for record in case.expect if set(record) != {"dead"}]
    expected_dead = [str(record["dead"]) for record in case.expect if set(record) == {"dead"}]
    given = _all_given(case, catalogue, feed)
    for index, one in enumerate(given):
        topology.clock.at(one.at_ms)
        topology.tick()
        topology.commit()
        if one.alias is not None:
            try:
                _publish(topology, catalogue, feed.sources[one.alias], one, checked=not expected_dead)
            except (EventRefused, ValueError, KeyError, GebusError) as error:
                raise _BadCase(f"given record {index + 1}: {error}") from error
            topology.run()
    plan = next(plan for plan in lanes[0].feeds if plan.name == feed.id)
    differences = [
        *_records(_Expected(plan, case.mode, [one.at_ms for one in given]), expected, topology.delivered(feed.id)),
        *_dead(expected_dead, [dead.reason for dead in topology.committed.dead]),
    ]
    accounts = topology.accounts().get(feed.id, Counter())
    return CaseResult(feed.id, case.name, tuple(differences), {name: accounts[name] for name in OUTCOMES})


def _publish(topology: Topology, catalogue: Catalogue, topic: str, given: _Given, *, checked: bool) -> None:
    validator = EventValidator(catalogue.topics[topic], catalogue.events[topic], catalogue.codes)
    record = validator.from_json(given.record)
    if checked:
        validator.check(record)
    topology.publish(record, given.party, to=topic)


def _all_given(case: Case, catalogue: Catalogue, feed: Feed) -> list[_Given]:
    """The entries of a case; each is a second after the one before, or when it says."""
    entries: list[_Given] = []
    for index, entry in enumerate(case.given):
        now_ms = entries[-1].at_ms + _STEP_MS if entries else START_MS
        entries.append(_given(entry, catalogue, feed, index, now_ms))
        if entries[-1].at_ms < now_ms - _STEP_MS and index:
            at, before = (_shown_instant(one.at_ms) for one in (entries[-1], entries[-2]))
            raise _BadCase(f"given record {index + 1}: at {at}; allowed: {before}, as the one before, or later")
    return entries


def _given(given: Mapping[str, Any], catalogue: Catalogue, feed: Feed, index: int, at_ms: int) -> _Given:
    """The record with its defaults, who publishes it, and when the log takes it; `at_ms` unless it says."""
    if set(given) == {"at"}:
        return _Given(None, {}, _instant(given["at"], index))
    alias, record, more = _record(given, feed, index)
    publishers = catalogue.topics[feed.sources[alias]].publishers
    party = str(more.get("from", "")) or str(record.get("source", publishers[0]))
    if party not in publishers:
        raise _BadCase(f"given record {index + 1}: from {party!r}; allowed: {', '.join(publishers)}")
    if "at" in more:
        at_ms = _instant(more["at"], index)
    defaults: dict[str, Any] = {
        "event_id": f"given-{index + 1}",
        "entity_id": "entity",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": at_ms,
        "published_at": at_ms,
        "source": party,
        "region": "100000",
    }
    return _Given(alias, {**defaults, **record}, at_ms, party)


def _record(given: Mapping[str, Any], feed: Feed, index: int) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Of which source an entry is, the record as written, and what stands beside it."""
    for alias in feed.sources:
        if isinstance(given.get(alias), Mapping) and set(given) <= {alias, "from", "at"}:
            return alias, given[alias], given
    if len(feed.sources) > 1:
        allowed = ", ".join(f"{{{alias}: {{...}}}}" for alias in feed.sources)
        found = ", ".join(sorted(map(str, given)))
        raise _BadCase(f"given record {index + 1}: the keys {found}; allowed: {allowed}, each with `from` and `at`")
    return next(iter(feed.sources)), given, {}


def _shown_instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _instant(value: object, index: int) -> int:
    try:
        instant: datetime | None = datetime.fromisoformat(str(value))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise _BadCase(f"given record {index + 1}: at {value!r}; allowed: an instant as 2020-02-01T08:00:00Z")
    return round(instant.timestamp() * 1000)


def _records(
    of: _Expected, expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]
) -> Iterator[Difference]:
    for number, (wanted, record) in enumerate(zip_longest(expected, got), 1):
        if record is None:
            yield Difference(number, "", _shown(wanted), "no record")
        elif wanted is None:
            yield Difference(number, "", "no record", _shown(record))
        else:
            yield from _fields(of, number, wanted, record)


def _fields(of: _Expected, number: int, wanted: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Difference]:
    fields = {field.name: field for field in of.plan.fields}
    values = _as_delivered(of, number, wanted, record)
    for name, field in fields.items():
        mask = field.outcomes[of.mode == "emergency"].mask
        token = mask is not None and mask.kind == "token"
        if not field.delivered:
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


def _as_delivered(
    of: _Expected, number: int, wanted: Mapping[str, Any], record: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The expected values as they are read from the feed: instants and dates as integers, tokens computed."""
    types = {field.name: field.type for field in of.plan.delivered}
    values = {}
    for name in wanted:
        if name in types:
            try:
                values[name] = _as_read(_token(of, wanted[name], record[name]), types[name])
            except (WrongValue, ValueError) as error:
                raise _BadCase(f"expected record {number}: {name}: {error}") from error
    return values


def _as_read(value: Any, avro: AvroType) -> Any:
    encoder = Encoder({"type": "record", "name": "One", "fields": [{"name": "value", "type": avro}]}, 0)
    convert = compile_reader(avro)
    return encoder.decode(encoder.encode({"value": value if convert is None else convert(value)}))["value"]


def _token(of: _Expected, value: Any, got: Any) -> Any:
    """The token that a value stands for: the one that was delivered, if it is that of a period of the case."""
    if not isinstance(value, Mapping) or set(value) != {"token"}:
        return value
    if of.plan.tokens is None:
        raise ValueError("a token; the feed has none")
    tokens = Tokens(token_key(of.plan.name), of.plan.tokens.period, of.plan.tokens.hash)
    made = [tokens.of(value["token"], at_ms) for at_ms in of.instants]
    return got if got in made else made[-1]


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
