"""Feeds -> lane plans. Pure: a catalogue in, values out; the same catalogue gives the same plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from gebus.model.catalogue import Catalogue
from gebus.model.errors import Finding, PlanError
from gebus.model.feed import Feed
from gebus.plan.feed_planner import FeedPlanner
from gebus.plan.inputs import Input, as_it_is, inputs_of, lane_name
from gebus.plan.origin import Origin, origin_of
from gebus.plan.refusal import KeyPath, Problem, Refusal
from gebus.plan.relation import ReconcilePlan
from gebus.plan.relation_planner import check_relation
from gebus.plan.values import FeedPlan, LanePlan, RekeyPlan, TablePlan
from gebus.policy import Policy

MOST_LANES = 120
"""Of one topic: its offsets carry a mark of 32 bytes for each, and Kafka keeps 4,096."""


class Places(Protocol):
    """Where in its file a part of the catalogue is written."""

    def line(self, file: str, path: KeyPath) -> int:
        """The line of `path`, or of the nearest thing around it, from 1."""
        ...


def lanes(catalogue: Catalogue, *, on: date | None = None) -> tuple[LanePlan, ...]:
    """A lane for each set of inputs that a feed reads, by name; `on` is the day whose policy holds.

    A lane of whose contract another one needs a copy is among them, also where it has no feed. Without a day the
    lines of the policy that have no end hold. PlanError names the first thing that cannot be planned; a catalogue that
    `gebus check` passes has none.
    """
    plans, problems = _plan(catalogue, Policy.of(catalogue.codes, on))
    if problems:
        raise problems[0].as_error()
    return plans


def rekeys(lanes: Iterable[LanePlan]) -> tuple[RekeyPlan, ...]:
    """Every internal topic that these lanes write, by name: partitions, retention, and the contract that is copied."""
    return tuple(sorted((rekey for lane in lanes for rekey in lane.rekeys), key=lambda rekey: rekey.name))


def check(catalogue: Catalogue, places: Places) -> list[Finding]:
    """Everything in the feeds that cannot be planned, each with its line; an empty list if the lanes can run.

    Not promised: the other steps of a feed whose sources do not fit its join or reconcile; they depend on it.
    """
    try:
        policy = Policy.of(catalogue.codes)
    except PlanError as error:
        return [_policy_finding(catalogue, places, error)]
    _, problems = _plan(catalogue, policy)
    return [problem.as_finding(places.line(problem.file, problem.path)) for problem in problems]


def _policy_finding(catalogue: Catalogue, places: Places, error: PlanError) -> Finding:
    file, _, code = error.place.partition(": ")
    codes = catalogue.codes.get(file.removeprefix("codes/").removesuffix(".yaml"))
    entries = codes.entries if codes is not None else ()
    path = next((("entries", index) for index, entry in enumerate(entries) if entry.code == code), ())
    found = f"{code}: {error.problem}" if code else error.problem
    return Finding(file, places.line(file, path), "policy", found, "a policy that decides each case once")


@dataclass(slots=True)
class _Lane:
    """A lane while its feeds are gathered."""

    inputs: tuple[Input, ...]
    feeds: list[tuple[Feed, Mapping[str, Input]]] = field(default_factory=list)
    rekeys: dict[str, tuple[Input, int | None]] = field(default_factory=dict)
    """What it copies for other lanes, by the name of the input there, and how long moves are remembered."""

    def rekey(self, part: Input, moves_ms: int | None) -> None:
        """Copy its contract as `part`; the longest memory that a lane asks for serves all."""
        asked = [ms for ms in (self.rekeys.get(part.name, (part, None))[1], moves_ms) if ms is not None]
        self.rekeys[part.name] = part, max(asked, default=None)


def _plan(catalogue: Catalogue, policy: Policy) -> tuple[tuple[LanePlan, ...], list[Problem]]:
    origins = {topic: origin_of(event) for topic, event in catalogue.events.items()}
    lanes, problems = _gathered(catalogue, origins)
    planned = {}
    for name in sorted(lanes):
        planner = FeedPlanner(lanes[name].inputs, origins, policy)
        plans = []
        for feed, sources in lanes[name].feeds:
            plan, found = planner.plan(feed, sources)
            problems += found
            if plan is not None:
                plans.append(plan)
        planned[name] = plans, planner.tables
    for name, (plans, _) in planned.items():
        for part in lanes[name].inputs:
            if part.internal:
                own = as_it_is(part.contract)
                lanes.setdefault(own.name, _Lane((own,))).rekey(part, _moves(part, plans))
    made = (_lane(catalogue, name, lanes[name], *planned.get(name, ([], ()))) for name in sorted(lanes))
    return tuple(replace(lane, policy=policy.version) for lane in made), problems


def _gathered(catalogue: Catalogue, origins: Mapping[str, Origin]) -> tuple[dict[str, _Lane], list[Problem]]:
    """The feeds by lane, and what stands against the sources of the others."""
    lanes: dict[str, _Lane] = {}
    problems: list[Problem] = []
    for _, feed in sorted(catalogue.feeds.items()):
        contracts = {alias: catalogue.topics[topic] for alias, topic in feed.sources.items()}
        found = check_relation(feed, {alias: origins[topic] for alias, topic in feed.sources.items()}, contracts)
        problems += found
        if found:
            continue
        try:
            inputs = inputs_of(feed, catalogue)
        except Refusal as refusal:
            problems.append(Problem(feed, ("sources",), "sources", refusal))
            continue
        parts = tuple(sorted(inputs.values(), key=lambda part: part.name))
        lanes.setdefault(lane_name(inputs), _Lane(parts)).feeds.append((feed, inputs))
    return lanes, problems + list(_too_many(lanes))


def _too_many(lanes: Mapping[str, _Lane]) -> Iterator[Problem]:
    """The feeds of the lanes that are too many on one topic."""
    readers: dict[str, list[_Lane]] = {}
    for _, lane in sorted(lanes.items()):
        for part in lane.inputs:
            readers.setdefault(part.name, []).append(lane)
    for name, found in sorted(readers.items()):
        refusal = Refusal(
            f"{len(found)} lanes read {name}",
            f"{MOST_LANES}",
            "feeds that join it with the same contract by the same fields share a lane",
        )
        for feed in (feed for lane in found[MOST_LANES:] for feed, _ in lane.feeds):
            yield Problem(feed, ("sources",), "sources", refusal)


def _moves(part: Input, plans: Sequence[FeedPlan]) -> int | None:
    """How long the feeds of a lane need to hear that an entity has another key now; None where none does."""
    if not part.moves:
        return None
    relations = [plan.relation for plan in plans if plan.relation is not None]
    windows = [one.within_ms for one in relations if isinstance(one, ReconcilePlan) or one.follow]
    return max(windows, default=None)


def _lane(
    catalogue: Catalogue, name: str, lane: _Lane, plans: Sequence[FeedPlan], tables: tuple[TablePlan, ...]
) -> LanePlan:
    return LanePlan(
        name=name,
        partitions=lane.inputs[0].partitions,
        inputs=tuple(part.plan(catalogue.events[part.contract.topic]) for part in lane.inputs),
        tables=tables,
        feeds=tuple(plans),
        rekeys=tuple(part.rekey(0, moves_ms) for _, (part, moves_ms) in sorted(lane.rekeys.items())),
        # The order of a copied input is the order in which it was copied, so that must not depend on timing either.
        ordered=bool(lane.rekeys)
        or any(part.internal for part in lane.inputs)
        or any(plan.relation is not None or plan.follow_ms is not None for plan in plans),
    )
