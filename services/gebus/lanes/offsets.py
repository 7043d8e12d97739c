"""Where the lanes go on in the log: which topics that is decided for at once, and what a choice means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gebus.catalogue.documents import nearest
from gebus.lanes.marks import unmarked
from gebus.model.errors import NotFound, Stopped
from gebus.plan import LanePlan

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """What goes on elsewhere: all topics of a lane, or one topic."""

    lane: str
    """The lane whose state the offsets are no longer bound to; "" where a topic alone was asked for."""
    topics: tuple[str, ...]
    feeds: tuple[str, ...]
    """Everything that something of these topics reaches, also through the copies that other lanes make of them."""


@dataclass(frozen=True, slots=True)
class Move:
    """A partition: where the group stands, None where nowhere, and where it is to go on."""

    place: Partition
    before: int | None
    after: int
    mark: str

    def as_json(self) -> dict[str, Any]:
        return {"topic": self.place[0], "partition": self.place[1], "before": self.before, "after": self.after}


def target(what: str, plans: Sequence[LanePlan]) -> Target:
    """What a feed, a lane or a Kafka topic names; NotFound where it is none of them."""
    lanes = {plan.name: plan for plan in plans} | {feed.name: plan for plan in plans for feed in plan.feeds}
    read = sorted({topic for plan in plans for topic in _topics(plan)})
    if what in lanes:
        topics = tuple(sorted(_topics(lanes[what])))
        return Target(lanes[what].name, topics, _reached(topics, plans))
    if what in read:
        return Target("", (what,), _reached((what,), plans))
    names = (*lanes, *read)
    raise NotFound(
        f"{what}: no feed, no lane and no topic that a lane reads is called so; "
        f"{nearest(what, names) or '`gebus state` shows the lanes'}"
    )


def moves(
    wanted: Target, after: Mapping[Partition, int], committed: Mapping[Partition, tuple[int, str]]
) -> tuple[Move, ...]:
    """From where the group stands to `after`; a partition that is not in `after` stays where it stands, if anywhere."""
    found = []
    for place in sorted({*after, *(place for place in committed if place[0] in wanted.topics)}):
        before, mark = committed.get(place, (None, ""))
        there = after.get(place, before)
        if there is not None:
            found.append(Move(place, before, there, unmarked(mark, wanted.lane) if wanted.lane else mark))
    if not found:
        raise Stopped(
            f"the lanes stand nowhere in {', '.join(wanted.topics)}: they took nothing of them yet, or Kafka forgot "
            "where; say earliest, latest or a time"
        )
    return tuple(found)


def meaning(wanted: Target, made: Iterable[Move]) -> list[str]:
    """What comes of it, in sentences."""
    known = [(move.before, move.after) for move in made if move.before is not None]
    again = sum(max(0, before - after) for before, after in known)
    over = sum(max(0, after - before) for before, after in known)
    feeds = ", ".join(wanted.feeds) or "no feed"
    said = []
    if again:
        said.append(
            f"{again:,} records are taken again: what comes of them is delivered a second time, with the ids that it "
            f"had, but for what a step still remembers; and counted a second time. Feeds: {feeds}"
        )
    if over:
        said.append(f"{over:,} records are passed over: nothing comes of them, ever. Feeds: {feeds}")
    if wanted.lane:
        said.append(
            f"lane {wanted.lane} remembers what its topic holds now. Where that was made anew it is nothing: what "
            "waited for a partner is forgotten, repeats of what came before pass, and what was delivered is neither "
            "corrected nor taken back any more"
        )
    return said


def _topics(plan: LanePlan) -> set[str]:
    return {topic for one in plan.inputs for topic in one.topics}


def _reached(topics: Iterable[str], plans: Sequence[LanePlan]) -> tuple[str, ...]:
    reached, new = set[str](), set(topics)
    while new:
        reached |= new
        new = {rekey.topic for plan in plans if reached & _topics(plan) for rekey in plan.rekeys} - reached
    return tuple(sorted(feed.name for plan in plans if reached & _topics(plan) for feed in plan.feeds))
