"""What the steps of the feeds remember, under which names and in which form; and what a changed catalogue would forget.

`gebus apply` notes it in the compacted topic `gebus.steps`, so that the next one can tell a change that makes what is
remembered useless, which the plans alone do not show: a step with another name, or of another lane, just begins empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from gebus.model.errors import Stopped
from gebus.plan import DeduplicatePlan, FeedPlan, JoinPlan, LanePlan, Relation

STEPS_TOPIC = "gebus.steps"
CORRECTIONS = "corrections"
"""What `corrections: follow` remembers is no step's, and has this name beside theirs."""
_VERSION = 1
_DAY_MS = 86_400_000
_ENVELOPE = 8
_REGION = 7
"""The fields before the region, of which a correction is made, come from the correction itself."""

Kind = Literal["deduplicate", "join", "reconcile", "corrections"]


@dataclass(frozen=True, slots=True)
class Form:
    """What one step of a feed remembers.

    Two forms of equal `meaning` can read each other's entries, as the kernel's fingerprints say too.
    """

    step: str
    kind: Kind
    lane: str
    table: str
    window_ms: int
    meaning: Mapping[str, str | list[str]]
    gone_ms: int | None = None
    """When the step was taken out of the catalogue; None: it is in it."""

    @property
    def until_ms(self) -> int | None:
        """When nothing counts any more of what a step remembered that is gone: entries count an eighth longer."""
        return None if self.gone_ms is None else self.gone_ms + self.window_ms * 9 // 8 + _DAY_MS


@dataclass(frozen=True, slots=True)
class Noted:
    """What `gebus apply` knows of a feed. `gone_ms` is when the whole feed was no longer in the catalogue."""

    forms: tuple[Form, ...] = ()
    gone_ms: int | None = None

    def to_json(self) -> bytes:
        return json.dumps({"version": _VERSION, **asdict(self)}, ensure_ascii=False, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Life:
    """When the topic of a lane's state was made; `anew`: it was there before, and what it held is gone."""

    made_ms: int
    anew: bool

    def to_json(self) -> bytes:
        return json.dumps({"version": _VERSION, **asdict(self)}, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Notes:
    """All that is noted: by feed, and by lane."""

    feeds: Mapping[str, Noted] = field(default_factory=dict)
    lives: Mapping[str, Life] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a catalogue would forget of what is noted.

    `form`: the topic holds entries that the step cannot read now, so the lane would stand still. `moved`: another lane
    or table begins empty. `gone`: there is no such step any more. `back`: the step is there again, and has missed what
    came between.
    """

    why: Literal["form", "moved", "gone", "back"]
    feed: str
    before: Form
    now: Form | None


def forms(plans: Sequence[LanePlan]) -> dict[str, tuple[Form, ...]]:
    """What each feed remembers, by name; feeds that remember nothing have an empty tuple."""
    return {feed.name: tuple(_of_feed(plan, feed)) for plan in plans for feed in plan.feeds}


def losses(noted: Mapping[str, Noted], wanted: Mapping[str, tuple[Form, ...]], now_ms: int) -> Iterator[Loss]:
    """Everything that would be forgotten or misread, feed by feed. A feed that is gone as a whole loses nothing: it is
    delivered to nobody."""
    for feed, there in sorted(noted.items()):
        if feed not in wanted:
            continue
        by_table = {(form.lane, form.table): form for form in wanted[feed]}
        by_step = {form.step: form for form in wanted[feed]}
        for before in _counting(there.forms, now_ms):
            now = by_table.get((before.lane, before.table))
            if now is not None and now.meaning != before.meaning:
                yield Loss("form", feed, before, now)
            elif now is not None and before.gone_ms is not None and before.kind != "deduplicate":
                # One that removes repeats drops those of before as it should; those of between it never saw.
                yield Loss("back", feed, before, now)
            elif now is None and before.gone_ms is None:
                same = by_step.get(before.step)
                yield Loss("gone" if same is None else "moved", feed, before, same)


def noted_now(there: Noted | None, wanted: tuple[Form, ...] | None, now_ms: int) -> Noted | None:
    """What is to be noted of a feed that is wanted like this, or is not in the catalogue; None: nothing new."""
    if there is None:
        return Noted(wanted) if wanted else None
    if wanted is None:
        return replace(there, gone_ms=now_ms) if there.gone_ms is None else None
    places = {(form.lane, form.table) for form in wanted}
    old = [form for form in _counting(there.forms, now_ms) if (form.lane, form.table) not in places]
    left = (form if form.gone_ms is not None else replace(form, gone_ms=now_ms) for form in old)
    new = Noted((*wanted, *left))
    known = Noted(tuple(_counting(there.forms, now_ms)), there.gone_ms)
    return None if _same(known, new) else new


def parse_notes(records: Iterable[tuple[str, bytes | None]]) -> Notes:
    """What the records of the topic say, in their order; Stopped for one that gebus did not write."""
    feeds: dict[str, Noted] = {}
    lives: dict[str, Life] = {}
    for key, value in records:
        feeds.pop(key, None)
        lives.pop(key, None)
        if value is None:
            continue
        try:
            said = json.loads(value)
            if said.pop("version") != _VERSION:
                raise Stopped(
                    f"{STEPS_TOPIC}: what it says of {key} has another version than {_VERSION}, which this gebus "
                    "reads; run the gebus that wrote it, or a later one"
                )
            if "/" in key:
                feeds[key] = Noted(tuple(Form(**form) for form in said["forms"]), said["gone_ms"])
            else:
                lives[key] = Life(**said)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Stopped(f"{STEPS_TOPIC}: what it says of {key} is not what gebus writes ({error})") from error
    return Notes(feeds, lives)


def _counting(known: Iterable[Form], now_ms: int) -> Iterator[Form]:
    return (form for form in known if form.until_ms is None or form.until_ms > now_ms)


def _same(one: Noted, other: Noted) -> bool:
    return one.gone_ms == other.gone_ms and sorted(one.forms, key=_place) == sorted(other.forms, key=_place)


def _place(form: Form) -> tuple[str, str]:
    return form.lane, form.table


def _of_feed(plan: LanePlan, feed: FeedPlan) -> Iterator[Form]:
    relation = feed.relation
    sides = [step for side in relation.sides for step in side.steps] if relation is not None else []
    for step in (*sides, *feed.steps):
        if isinstance(step, DeduplicatePlan):
            table = plan.tables[step.table]
            yield Form(step.name, "deduplicate", plan.name, table.name, table.window_ms, {"key": list(table.key)})
    if relation is not None:
        kind: Kind = "join" if isinstance(relation, JoinPlan) else "reconcile"
        yield Form(relation.name, kind, plan.name, relation.state, relation.within_ms, _meaning(relation))
    if feed.follow_ms is not None:
        tail = {"delivered": _types(feed.output_schema)[_REGION:]}
        yield Form(CORRECTIONS, "corrections", plan.name, f"corrections/{feed.name}", feed.follow_ms, tail)


def _meaning(relation: Relation) -> dict[str, str | list[str]]:
    """What decides what an entry of its state says: how it matches, by which fields, and what is kept of each side."""
    kept: dict[str, str | list[str]] = {
        f"fields of {part['name']}": _types(part["type"]) for part in relation.schema["fields"][_ENVELOPE:]
    }
    if isinstance(relation, JoinPlan):
        return {
            "on": list(relation.on), "matches": relation.matches, "unmatched": relation.unmatched,
            "corrections": "follow" if relation.follow else "independent", **kept,
        }  # fmt: skip
    return {"key": list(relation.key), "gives": relation.gives, **kept}


def _types(avro: Any) -> list[str]:
    """The fields of a record and their types, or what else it is."""
    if isinstance(avro, list):
        return [line for branch in avro for line in (["null"] if branch == "null" else _types(branch))]
    if isinstance(avro, dict) and avro.get("type") == "record":
        return [f"{part['name']} {_type(part['type'])}" for part in avro["fields"]]
    return [_type(avro)]


def _type(avro: Any) -> str:
    return avro if isinstance(avro, str) else json.dumps(avro, ensure_ascii=False, sort_keys=True)
