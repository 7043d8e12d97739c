"""What the control topics say: grants by feed, modes by id. Pure; lanes and control read them alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from gebus.model.errors import ActRefused
from gebus.model.grant import FeedGrants
from gebus.model.mode import Mode

GRANTS_TOPIC, MODES_TOPIC, AUDIT_TOPIC = "gebus.grants", "gebus.modes", "gebus.audit"
"""Compacted, key = feed id; compacted, key = mode id; append-only, every act and every refusal. One partition each."""
FOLLOWED = (GRANTS_TOPIC, MODES_TOPIC)
AHEAD_MS = 60_000
"""So far the clock of who acts may be ahead of the log's."""


@dataclass(slots=True)
class Known:
    """The newest word on every feed and mode.

    Promised: what does not follow from its own acts, is not of this form, or was dated ahead of the log's time counts
    as not there, and `broken` says why. Not promised: who may write the topics; that is Kafka's, by their rights.
    """

    grants: dict[str, FeedGrants] = field(default_factory=dict)
    modes: dict[str, Mode] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """By `<topic> <key>`."""
    newest_ms: int = 0
    """The newest append time that was seen: it is never earlier than this."""

    def take(self, topic: str, key: bytes | None, value: bytes | None, append_ms: int) -> None:
        """One record of a control topic, in the log's order."""
        self.newest_ms = max(self.newest_ms, append_ms)
        name = (key or b"").decode("utf-8", "replace")
        self.grants.pop(name, None) if topic == GRANTS_TOPIC else self.modes.pop(name, None)
        self.broken.pop(f"{topic} {name}", None)
        if value is None:
            return
        try:
            if topic == GRANTS_TOPIC:
                grants = FeedGrants.model_validate_json(value).checked(name)
                _not_ahead(name, max(act.at for grant in grants.grants for act in grant.acts), append_ms)
                self.grants[name] = grants
            else:
                mode = Mode.model_validate_json(value).checked()
                _not_ahead(name, mode.acts[-1].at, append_ms)
                if mode.mode != name:
                    raise ActRefused("forged", f"mode {mode.mode}", f"it stands under {name}", mode.mode)
                self.modes[name] = mode
        except (ActRefused, ValidationError) as error:
            self.broken[f"{topic} {name}"] = str(error).splitlines()[0]

    def holding(self, now: int) -> tuple[Mode, ...]:
        """The modes that hold at an instant, by id."""
        return tuple(self.modes[name] for name in sorted(self.modes) if self.modes[name].state(now) == "holds")

    def next_change(self, now: int) -> int | None:
        """The next instant after `now` at which time alone changes what holds."""
        instants = [end for mode in self.modes.values() for end in (mode.since or 0, mode.until)]
        for grants in self.grants.values():
            instants += [end for grant in grants.grants for end in (grant.terms.begins, grant.terms.expires)]
        return min((instant for instant in instants if instant > now), default=None)


def _not_ahead(name: str, at: int, append_ms: int) -> None:
    if at > append_ms + AHEAD_MS:
        found = f"it is dated {at - append_ms} ms ahead of the log"
        raise ActRefused("clock", name, found, f"at most {AHEAD_MS}", "set the clock of who acts")


def next_number(grants: Mapping[str, FeedGrants], feed: str) -> int:
    """The number of the next grant of a feed."""
    return grants[feed].newest.number + 1 if feed in grants else 1
