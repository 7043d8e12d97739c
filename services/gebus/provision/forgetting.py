"""What a changed catalogue would forget of what its steps remember: refused, unless people say that it may."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from gebus.lanes.forms import Form, Life, Loss, Noted, losses, noted_now
from gebus.lanes.settings import STATE_PREFIX
from gebus.model.errors import Finding
from gebus.plan.words import duration
from gebus.provision.desired import Desired, Place
from gebus.provision.observed import Observed

_LOST = {
    "deduplicate": "repeats of what came before pass once more",
    "join": "what waits for a partner is forgotten, and under `corrections: follow` pairs that consumers have are "
    "neither corrected nor taken back any more",
    "reconcile": "the assertions so far are forgotten, and what consumers have of them is neither corrected nor taken "
    "back any more",
    "corrections": "what consumers have is neither corrected nor taken back any more",
}


class Lines(Protocol):
    """Where in its file a part of the catalogue is written."""

    def line(self, file: str, path: tuple[str | int, ...]) -> int: ...


@dataclass(frozen=True, slots=True)
class Note:
    """What is noted of the steps of a feed, or of the state of a lane; see `gebus.lanes.forms`."""

    name: str
    value: bytes
    detail: str
    mark, action = "~", "note"


def findings(
    desired: Desired, observed: Observed, lines: Lines, now_ms: int, forget: Collection[str]
) -> Iterator[Finding]:
    """Everything that would be forgotten and is not among `forget`, or could not be read any more."""
    for loss in losses(observed.notes.feeds, desired.forms, now_ms):
        name = f"{loss.feed}.{loss.before.step}"
        if loss.why == "form" or name not in forget:
            found, allowed, next_step = _words(loss, name)
            file, path = _place(desired, loss)
            yield Finding(file, lines.line(file, path), "state", found, allowed, next_step)


def notes(desired: Desired, observed: Observed, now_ms: int) -> Iterator[Note]:
    """What is to be noted, so that the next comparison knows it."""
    there = observed.notes
    for feed in sorted({*desired.forms, *there.feeds}):
        known, wanted = there.feeds.get(feed), desired.forms.get(feed)
        new = noted_now(known, wanted, now_ms)
        if new is not None:
            yield Note(feed, new.to_json(), _of_feed(known, wanted, new, now_ms))
    for topic in sorted(desired.topics.keys() - observed.topics.keys()):
        if topic.startswith(STATE_PREFIX):
            lane = topic.removeprefix(STATE_PREFIX)
            anew = lane in there.lives
            detail = "its state begins now"
            if anew:
                detail += (
                    ", anew: the topic was there before, and what the lane remembered and counted is gone with it. The "
                    f"lane stands still until `gebus reset-offsets {lane}` says where it goes on"
                )
            yield Note(lane, Life(now_ms, anew).to_json(), detail)


def _place(desired: Desired, loss: Loss) -> Place:
    """The step; of one that is gone the steps of its feed."""
    steps: Place = f"feeds/{loss.feed}.yaml", ("steps",)
    return desired.step_places.get((loss.feed, loss.before.step if loss.now is None else loss.now.step), steps)


def _words(loss: Loss, name: str) -> tuple[str, str, str]:
    """What was found, what is allowed and what to do next."""
    before, now = loss.before, loss.now
    of, lost = _named(before), _LOST[before.kind]
    way = f"`gebus apply --forget {name}` goes on all the same: {lost}"
    if loss.why == "form" and now is not None:
        other = f"give the step another name and then `gebus apply --forget {name}`: {lost}"
        return (
            f"{of}: {_difference(before, now)}: lane {before.lane} could not read what it remembers, and would stand "
            "still",
            "the form in which it remembers",
            f"bring that back; or {'give the feed another name' if before.kind == 'corrections' else other}",
        )
    if loss.why == "back":
        since, until = _time(before.gone_ms or 0), _time(before.until_ms or 0)
        return (
            f"{of} is there again, which was taken out at {since}: it remembers what it knew then, and nothing of what "
            "came between, so that it pairs, corrects and takes back wrongly",
            f"the name from {until} on, when nothing counts any more of what it remembers",
            f"give the {'feed' if before.kind == 'corrections' else 'step'} another name, which begins empty; or "
            f"`gebus apply --forget {name}` goes on all the same",
        )
    if now is not None:
        return (
            f"{of}: {_difference(before, now)}: it would begin empty in lane {now.lane}, and forget what it remembers",
            f"what leaves it in lane {before.lane}, table {before.table}",
            f"bring that back; or {way}",
        )
    return (
        f"no {of} any more: it would forget what it remembers, also if it has another name now",
        "every step that remembers, by its name",
        f"bring it back; or {way}",
    )


def _named(form: Form) -> str:
    return "`corrections: follow`" if form.kind == "corrections" else f"{form.kind} {form.step}"


def _difference(before: Form, now: Form) -> str:
    """In what they differ: in what the step says, else in the fields that it keeps because other steps use them."""
    said: list[str] = []
    different = {part for part in {*before.meaning, *now.meaning} if before.meaning.get(part) != now.meaning.get(part)}
    written = {part for part in different if not part.startswith("fields of ")}
    for part in sorted(written or different):
        old, new = before.meaning.get(part, []), now.meaning.get(part, [])
        if isinstance(old, list) and isinstance(new, list) and set(old) != set(new):
            changes = [f"+ {one}" for one in new if one not in old] + [f"- {one}" for one in old if one not in new]
            said.append(f"`{part}` {', '.join(changes)}")
        else:
            said.append(f"`{part}` was {_list(old)}, and is {_list(new)}")
    if not said and before.window_ms != now.window_ms:
        said.append(f"`within` was {duration(before.window_ms)}, and is {duration(now.window_ms)}")
    return "; ".join(said) or "its sources, or their keys, are others"


def _list(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "nothing"


def _of_feed(known: Noted | None, wanted: tuple[Form, ...] | None, new: Noted, now_ms: int) -> str:
    """The note in words."""
    if wanted is None:
        kept = [form for form in new.forms if form.gone_ms is None]
        return f"not in the catalogue any more; what was remembered by {_steps(kept)} is used by nobody"
    said = f"remembered by {_steps(wanted)}"
    if known is not None and known.gone_ms is not None:
        said += f"; there again since {_time(known.gone_ms)}, and without what came between"
    gone = [form for form in new.forms if form.gone_ms == now_ms]
    return f"{said}; forgotten: {_steps(gone)}" if gone else said


def _steps(known: Collection[Form]) -> str:
    return ", ".join(form.step for form in known) or "no step"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="seconds")
