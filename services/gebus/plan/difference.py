"""What a change of the catalogue means for who may see what: two plans compared, feed by feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gebus.model.event import ENVELOPE
from gebus.plan.values import FeedPlan, FieldPlan, LanePlan
from gebus.policy import Outcome
from gebus.policy.masks import leaves_no_more

Change = Literal["gains", "loses", "changes"]
_MODES: tuple[Literal["normal", "emergency"], ...] = ("normal", "emergency")


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """What a consumer sees otherwise of a field in one mode.

    gains: more than before, or for the first time. loses: less, or nothing any more. changes: neither is computed from
    the other.
    """

    field: str
    mode: Literal["normal", "emergency"]
    change: Change
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class FeedDifference:
    """One feed that is not as before; `feed` is new or gone where all its fields are gained or lost."""

    feed: str
    consumer: str
    what: Literal["new", "gone", "changed"]
    fields: tuple[FieldDifference, ...]


def differences(before: Iterable[LanePlan], after: Iterable[LanePlan]) -> list[FeedDifference]:
    """Every feed of which a consumer sees more, less or otherwise, by name; an empty list if nobody does.

    Promised: no field of any mode is left out. Not promised: which records come; conditions, grants and modes decide
    on that.
    """
    old, new = _feeds(before), _feeds(after)
    found = []
    for name in sorted(old.keys() | new.keys()):
        fields = tuple(_fields(old.get(name), new.get(name)))
        if fields:
            what: Literal["new", "gone", "changed"] = (
                "new" if name not in old else "gone" if name not in new else "changed"
            )
            plan = new[name] if name in new else old[name]
            found.append(FeedDifference(name, plan.consumer, what, fields))
    return found


def _feeds(lanes: Iterable[LanePlan]) -> Mapping[str, FeedPlan]:
    return {feed.name: feed for lane in lanes for feed in lane.feeds}


def _fields(before: FeedPlan | None, after: FeedPlan | None) -> Iterator[FieldDifference]:
    old, new = _by_name(before), _by_name(after)
    for name in (*new, *(name for name in old if name not in new)):
        for number, mode in enumerate(_MODES):
            was, now = _shown(old.get(name), number, before), _shown(new.get(name), number, after)
            source = (old[name].of if name in old else "", new[name].of if name in new else "")
            change = _change(was, now, same_source=source[0] == source[1])
            if change is not None:
                before_words, after_words = (one.words if one is not None else "not delivered" for one in (was, now))
                decided = now or (new[name].outcomes[number] if name in new else None)
                reason = decided.reason if decided is not None else "the feed has it no more"
                yield FieldDifference(name, mode, change, before_words, after_words, reason)


def _by_name(plan: FeedPlan | None) -> Mapping[str, FieldPlan]:
    return {} if plan is None else {field.name: field for field in plan.fields if field.name not in ENVELOPE}


def _shown(field: FieldPlan | None, mode: int, plan: FeedPlan | None) -> Outcome | None:
    """What is delivered of a field, None for nothing: also where the feed does not flow in this mode."""
    if field is None or plan is None or plan.mode == ("emergency", "normal")[mode]:
        return None
    outcome = field.outcomes[mode]
    return outcome if outcome.delivered else None


def _change(was: Outcome | None, now: Outcome | None, *, same_source: bool) -> Change | None:
    if was is None or now is None:
        return None if was is now else "gains" if was is None else "loses"
    if not same_source:
        return "changes"
    if was.mask == now.mask:
        return None
    if now.mask is None or (was.mask is not None and leaves_no_more(was.mask, now.mask)):
        return "gains"
    if was.mask is None or leaves_no_more(now.mask, was.mask):
        return "loses"
    return "changes"
