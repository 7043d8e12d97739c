"""Feeds -> lane plans. Pure: a catalogue in, values out; the same catalogue gives the same plans."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from gebus.model.base import milliseconds
from gebus.model.catalogue import Catalogue
from gebus.model.errors import Finding, PlanError
from gebus.model.event import EventSchema
from gebus.model.feed import Feed
from gebus.model.topic import TopicContract
from gebus.plan.feed_planner import FeedPlanner
from gebus.plan.refusal import KeyPath, Problem, Refusal
from gebus.plan.values import FeedPlan, LanePlan, SourcePlan
from gebus.policy import POLICY_LIST, Policy


class Places(Protocol):
    """Where in its file a part of the catalogue is written."""

    def line(self, file: str, path: KeyPath) -> int:
        """The line of `path`, or of the nearest thing around it, from 1."""
        ...


def lanes(catalogue: Catalogue, *, on: date | None = None) -> tuple[LanePlan, ...]:
    """A lane for each topic contract that a feed reads, by name; `on` is the day whose policy holds.

    Without a day the lines of the policy that have no end hold. PlanError names the first thing that cannot be
    planned; a catalogue that `gebus check` passes has none.
    """
    plans, problems = _plan(catalogue, _policy(catalogue, on))
    if problems:
        raise problems[0].as_error()
    return plans


def check(catalogue: Catalogue, places: Places) -> list[Finding]:
    """Everything in the feeds that cannot be planned, each with its line; an empty list if the lanes can run."""
    try:
        policy = _policy(catalogue, None)
    except PlanError as error:
        return [_policy_finding(catalogue, places, error)]
    _, problems = _plan(catalogue, policy)
    return [problem.as_finding(places.line(problem.file, problem.path)) for problem in problems]


def _policy_finding(catalogue: Catalogue, places: Places, error: PlanError) -> Finding:
    file, _, code = error.place.partition(": ")
    entries = catalogue.codes[POLICY_LIST].entries if POLICY_LIST in catalogue.codes else ()
    path = next((("entries", index) for index, entry in enumerate(entries) if entry.code == code), ())
    found = f"{code}: {error.problem}" if code else error.problem
    return Finding(file, places.line(file, path), "policy", found, "a policy that decides each case once")


def _policy(catalogue: Catalogue, on: date | None) -> Policy:
    codes = catalogue.codes.get(POLICY_LIST)
    if codes is None:
        raise PlanError(f"codes/{POLICY_LIST}.yaml", "there is no policy, so no field may leave; write the list")
    return Policy.from_codes(codes, on)


def _plan(catalogue: Catalogue, policy: Policy) -> tuple[tuple[LanePlan, ...], list[Problem]]:
    problems: list[Problem] = []
    by_source: dict[str, list[Feed]] = {}
    for _, feed in sorted(catalogue.feeds.items()):
        if len(feed.sources) == 1:
            by_source.setdefault(next(iter(feed.sources.values())), []).append(feed)
        else:
            refusal = Refusal(
                f"{len(feed.sources)} sources: {', '.join(sorted(feed.sources.values()))}",
                "one source: more than one needs a join, and lanes run none",
                "write a feed for each source",
            )
            problems.append(Problem(feed, ("sources",), "sources", refusal))
    lane_plans = []
    for source, feeds in sorted(by_source.items()):
        contract, event = catalogue.topics[source], catalogue.events[source]
        planner = FeedPlanner(contract, event, policy)
        plans: list[FeedPlan] = []
        for feed in feeds:
            plan, found = planner.plan(feed)
            problems += found
            if plan is not None:
                plans.append(plan)
        lane_plans.append(LanePlan(source, contract.partitions, _source(contract, event), planner.tables, tuple(plans)))
    return tuple(lane_plans), problems


def _source(contract: TopicContract, event: EventSchema) -> SourcePlan:
    return SourcePlan(
        name=contract.topic,
        topics={contract.kafka_topic(party): party for party in sorted(contract.publishers)},
        schema=event.avro,
        key=contract.key,
        past_ms=milliseconds(contract.event_time.past),
        future_ms=milliseconds(contract.event_time.future),
        in_a_row=contract.dead_letters.in_a_row,
        ratio=contract.dead_letters.ratio,
    )
