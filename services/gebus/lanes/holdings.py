"""What the states of lanes hold, as their logs tell it: readable at any time, with workers or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gebus_kernel import Kernel

from gebus.lanes.log import read_to_end
from gebus.lanes.places import Slice
from gebus.lanes.ports import Consumer
from gebus.model.errors import Stopped
from gebus.plan import DeduplicatePlan, FeedPlan, JoinPlan, LanePlan

_STANDS = ".stands"
"""Under which key each entity stands, where it may leave a key unseen; not every relation has such a table."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a table is for: how long it remembers, and for which feeds; none where it serves other lanes."""

    window_ms: int
    feeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """One table of one slice. `since_ms` is the append time before which it holds nothing; None where it is empty."""

    owned: Slice
    table: str
    use: Use
    keys: int
    size: int
    since_ms: int | None

    def as_json(self) -> dict[str, Any]:
        """The holding for machines."""
        return {
            "lane": self.owned.lane, "slice": self.owned.number, "table": self.table, "feeds": list(self.use.feeds),
            "window_ms": self.use.window_ms, "keys": self.keys, "bytes": self.size, "since_ms": self.since_ms,
        }  # fmt: skip


def uses(plan: LanePlan) -> dict[str, Use]:
    """The tables of a lane, by the names that its state has for them."""
    found = {
        table.name: Use(table.window_ms, tuple(feed.name for feed in plan.feeds if number in _numbers(feed)))
        for number, table in enumerate(plan.tables)
    }
    for rekey in plan.rekeys:
        if rekey.moves_ms is not None:
            found[f"moves/{rekey.name}"] = Use(rekey.moves_ms, ())
    for feed in plan.feeds:
        if feed.relation is not None:
            sides = (".left", ".right", _STANDS) if isinstance(feed.relation, JoinPlan) else ("", _STANDS)
            found |= {f"{feed.relation.state}{side}": Use(feed.relation.within_ms, (feed.name,)) for side in sides}
        if feed.follow_ms is not None:
            found[f"corrections/{feed.name}"] = Use(feed.follow_ms, (feed.name,))
    return found


def _numbers(feed: FeedPlan) -> set[int]:
    """The tables that a feed's deduplicate steps ask."""
    sides = feed.relation.sides if feed.relation is not None else ()
    steps = [*feed.steps, *(step for side in sides for step in side.steps)]
    return {step.table for step in steps if isinstance(step, DeduplicatePlan)}


def read_holdings(
    consumer: Consumer, plans: Sequence[LanePlan], compile_plans: Callable[[Sequence[str]], Kernel]
) -> Iterator[Holding]:
    """What each table of each slice holds after the last committed record of its log; a lane at a time.

    Promised: what a worker would hold after a restart now. Not promised: its very bytes, which depend on how its memory
    grew; one moment for all slices, while lanes run; or memory for less than the state of the largest lane.
    """
    for plan in plans:
        kernel = compile_plans([plan.to_kernel()])
        slices = {owned.state: owned for owned in (Slice(plan.name, number) for number in range(plan.partitions))}
        for owned in slices.values():
            kernel.open(owned.lane, owned.number)
        first: dict[tuple[int, bytes], int] = {}
        last: dict[int, int] = {}
        for message in read_to_end(consumer, list(slices)):
            number, key, appended_ms = message.partition(), message.key() or b"", message.timestamp()[1]
            try:
                kernel.restore(plan.name, number, key, message.value() or b"")
            except ValueError as error:
                place = f"{message.topic()}/{number} at offset {message.offset()}"
                raise Stopped(f"the state of lane {plan.name} cannot be read: {place}: {error}") from error
            first.setdefault((number, key.partition(b"/")[2]), appended_ms)
            last[number] = appended_ms
        for number, appended_ms in last.items():
            kernel.advance(plan.name, number, appended_ms)
        yield from _holdings(kernel, uses(plan), first, last)


def _holdings(
    kernel: Kernel, known: Mapping[str, Use], first: Mapping[tuple[int, bytes], int], last: Mapping[int, int]
) -> Iterator[Holding]:
    for lane, number, table, keys, size in kernel.state_size():
        use = known.get(table, Use(0, ()))
        began = first.get((number, table.encode()))
        since = None if began is None or not keys else max(began, last[number] - use.window_ms)
        yield Holding(Slice(lane, number), table, use, keys, size, since)
