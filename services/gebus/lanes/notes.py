"""What `gebus apply` noted of steps and states, as the lanes and the commands about them read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gebus.lanes.forms import STEPS_TOPIC, Loss, Notes, forms, losses, parse_notes
from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place
from gebus.lanes.ports import Consumer
from gebus.model.errors import NotFound
from gebus.plan import LanePlan


def read_notes(consumer: Consumer) -> Notes:
    """All that is noted now; nothing where a gebus that took no notes applied the catalogue."""
    try:
        messages = list(read_to_end(consumer, [Place(STEPS_TOPIC, 0)]))
    except NotFound:
        return Notes()
    return parse_notes(((message.key() or b"").decode(), message.value()) for message in messages)


def not_applied(plans: Sequence[LanePlan], notes: Notes, now_ms: int) -> Mapping[str, str]:
    """The lanes that would forget what they remember, were they run like this, and why.

    Promised: none of a catalogue that was applied. Not promised: a step that is new, which has nothing to forget.
    """
    found: dict[str, str] = {}
    for loss in losses(notes.feeds, forms(plans), now_ms):
        names = [plan.name for plan in plans if loss.feed in {feed.name for feed in plan.feeds}]
        for lane in {*names, loss.before.lane} & {plan.name for plan in plans}:
            found.setdefault(lane, _said(loss))
    return found


def _said(loss: Loss) -> str:
    return (
        f"the catalogue changes what {loss.feed}, step {loss.before.step}, remembers, and `gebus apply` has not seen "
        "it: to go on might forget it. Run `gebus apply`, which says what would be lost and what to do; then the lane "
        "begins by itself"
    )
