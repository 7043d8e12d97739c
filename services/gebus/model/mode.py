"""A mode: an emergency that somebody opened, for a region and a time. Pure: who may do what, and when.

    proposed --confirm, by another person of the same authority--> holds --close, or time--> ended

While it holds, and only for records of its region, the policy's emergency lines apply and feeds with
`mode: emergency` flow. As with a grant, the state follows from the acts and is never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gebus.model.base import Model, Name, PartyId
from gebus.model.catalogue import Catalogue
from gebus.model.errors import ActRefused
from gebus.model.grant import Millis
from gebus.model.party import Party
from gebus.model.person import Person, PersonId, Role, party_of
from gebus.model.working_days import shown

Level = Literal["I", "II", "III", "IV"]
"""特别重大, 重大, 较大, 一般."""
ModeVerb = Literal["open", "confirm", "close"]
ModeState = Literal["proposed", "holds", "ended"]

LEVELS_LIST = "emergency-levels"
_UNITS = {"nation": 0, "province": 2, "city": 4, "county": 6}
_MOST_ACTS = 10
_DAY_MS = 86_400_000
CONFIRM_MS = 2 * 3_600_000
"""So long a proposal waits for its second person: an emergency is reported within two hours, or it was none."""


@dataclass(frozen=True, slots=True)
class LevelRule:
    """Who may open a mode of a level, and for how long at most: a line of `codes/emergency-levels.yaml`."""

    digits: int
    """How many digits the region of an authority has at most: 2 a province, 4 a city."""
    most_days: int


def division_prefix(region: str) -> str:
    """What the codes of a division and all below it begin with; nothing for the nation.

    A code is padded with zeros: 420100 is a city, whose districts begin with 4201.
    """
    prefix = region.rstrip("0")
    for width in (0, 2, 4, 6, 9, 12):
        if len(prefix) <= width:
            return "" if region[:6] in ("000000", "100000") else region[:width]
    return region


class ModeAct(Model):
    """What a person did to a mode, and when."""

    verb: ModeVerb
    by: PersonId
    role: Role
    at: Millis
    reason: Annotated[str, Field(max_length=1000)] = ""


class Mode(Model):
    """An emergency. Its id is permanent, and what was delivered under it is listed by it.

    Promised: it holds for no record outside its region, none before two persons opened it, and none appended at or
    after `expires` or its closing. Not promised: that a record which was appended while it held is taken while it
    holds; one that is taken later is as any other.
    """

    mode: Name
    level: Level
    region: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,12}$")]
    authority: PartyId
    document: Annotated[str, Field(min_length=1, max_length=200)]
    """The number of the document that orders it."""
    expires: Millis
    acts: Annotated[tuple[ModeAct, ...], Field(min_length=1, max_length=_MOST_ACTS)]

    @property
    def prefix(self) -> str:
        return division_prefix(self.region)

    @property
    def since(self) -> int | None:
        """From when on it holds; None: nobody confirmed it."""
        return next((act.at for act in self.acts if act.verb == "confirm"), None)

    @property
    def until(self) -> int:
        """The first instant at which it does not hold any more."""
        closed = next((act.at for act in self.acts if act.verb == "close"), self.expires)
        lapses = self.acts[0].at + CONFIRM_MS if self.since is None else self.expires
        return min(closed, lapses, self.expires)

    def state(self, now: int) -> ModeState:
        if now >= self.until:
            return "ended"
        return "proposed" if self.since is None or now < self.since else "holds"

    def done(self, act: ModeAct) -> Mode:
        """The mode after one more act; ActRefused where it breaks a rule."""
        state = self.state(act.at)
        if act.at < self.acts[-1].at:
            found = f"{act.verb} at {shown(act.at)}, before the act before it"
            self._refuse("clock", found, f"{shown(self.acts[-1].at)} or later", "the clock of this machine is behind")
        if act.role != "commander" or party_of(act.by) != self.authority:
            found = f"{act.by}, as {act.role}, wants to {act.verb} it"
            self._refuse("wrong-party", found, f"a commander of {self.authority}")
        if act.verb == "confirm" and act.by == self.acts[0].by:
            self._refuse(
                "self-approved", f"{act.by} confirms what {act.by} proposed", "another person", "ask a second one"
            )
        wanted = {"confirm": ("proposed",), "close": ("proposed", "holds")}.get(act.verb, ())
        if state not in wanted:
            self._refuse("wrong-state", f"{act.verb} of a mode that is {state}", " or ".join(wanted) or "the first act")
        return self.model_copy(update={"acts": (*self.acts, act)})

    def checked(self) -> Mode:
        """The mode itself; ActRefused where it does not follow from its acts: somebody wrote it by hand."""
        first, rest = self.acts[0], self.acts[1:]
        if first.verb != "open" or first.role != "commander" or party_of(first.by) != self.authority:
            self._refuse(
                "forged", f"it begins with {first.verb} of {first.by}", f"open by a commander of {self.authority}"
            )
        mode = self.model_copy(update={"acts": (first,)})
        for act in rest:
            mode = mode.done(act)
        return mode

    def _refuse(self, rule: str, found: str, allowed: str, next_step: str = "") -> None:
        raise ActRefused(rule, f"mode {self.mode}", found, allowed, next_step)


def level_rules(catalogue: Catalogue, now: int) -> dict[str, LevelRule]:
    """The rules that hold now; none where the catalogue has no list of levels, and then no mode can be opened."""
    found = catalogue.codes.get(LEVELS_LIST)
    entries = found.at(datetime.fromtimestamp(now / 1000, UTC).date()) if found else {}
    return {
        code: LevelRule(_UNITS[str(one.attributes["opened_by"])], int(one.attributes["most_days"]))
        for code, one in entries.items()
    }


def opened(mode: Mode, authority: Party, rules: dict[str, LevelRule]) -> Mode:
    """A proposed mode; ActRefused where its authority, region, level or end breaks a rule."""

    def refuse(rule: str, found: str, allowed: str, next_step: str = "") -> None:
        raise ActRefused(rule, f"mode {mode.mode}", found, allowed, next_step)

    mode.checked()
    rule = rules.get(mode.level)
    if rule is None:
        refuse("no-rule", f"codes/{LEVELS_LIST}.yaml says nothing of level {mode.level}", "a level that it has")
        return mode
    if not authority.commands or authority.kind != "department":
        refuse("wrong-party", f"{authority.party} opens it", "a department whose file says `commands: true`")
    reach = division_prefix(authority.region)
    if len(reach) > rule.digits:
        unit = next(name for name, digits in _UNITS.items() if digits == rule.digits)
        refuse("wrong-party", f"{authority.party} of {authority.region} opens level {mode.level}",
               f"an authority of a {unit} or above", "a lower level, or ask the authority above")  # fmt: skip
    if not mode.prefix.startswith(reach):
        refuse("too-wide", f"the region {mode.region}", f"a division of {authority.region}, where {authority.party} is")
    begins = mode.acts[0].at
    latest = begins + rule.most_days * _DAY_MS
    if not begins < mode.expires <= latest:
        allowed = f"after {shown(begins)}, and no later than {shown(latest)}: {rule.most_days} days"
        refuse("no-end", f"it ends at {shown(mode.expires)}", allowed,
               "open it anew when it is over, if it must go on")  # fmt: skip
    return mode


def mode_act(person: Person, verb: ModeVerb, mode: str, at: int, reason: str = "") -> ModeAct:
    """A person's act; ActRefused where they are no commander."""
    person.must_be("commander", f"mode {mode}", verb)
    return ModeAct(verb=verb, by=person.id, role="commander", at=at, reason=reason)
