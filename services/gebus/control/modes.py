"""The acts on modes."""

from __future__ import annotations

from gebus.control.log import ControlLog, Outcome, Written
from gebus.model.catalogue import Catalogue
from gebus.model.control import MODES_TOPIC, Known
from gebus.model.errors import ActRefused
from gebus.model.mode import Mode, ModeVerb, level_rules, mode_act, opened
from gebus.model.person import Person


class Modes:
    """Opens, confirms and closes modes; each is somebody's act, and audited."""

    def __init__(self, log: ControlLog, catalogue: Catalogue) -> None:
        self._log, self._catalogue = log, catalogue

    def open(self, person: Person, name: str, *, level: str, region: str, document: str, expires: int) -> Outcome:
        """Propose a mode; it holds when a second person of the same authority has confirmed it."""

        def decide(known: Known, now: int) -> list[Written]:
            if name in known.modes or f"{MODES_TOPIC} {name}" in known.broken:
                raise ActRefused("wrong-state", f"mode {name}", "there is one of this id", "an id that was never used")
            party = self._catalogue.parties.get(person.party)
            if party is None:
                raise ActRefused(
                    "wrong-party", f"mode {name}", f"{person.id} is of no party", "a party of the catalogue"
                )
            mode = Mode(
                mode=name, level=level, region=region, authority=person.party, document=document, expires=expires,
                acts=(mode_act(person, "open", name, now),),
            )  # fmt: skip
            return [Written(name, opened(mode, party, level_rules(self._catalogue, now)))]

        return self._log.change(decide, {"verb": "open", "by": person.id, "about": name})

    def act(self, person: Person, verb: ModeVerb, name: str, reason: str = "") -> Outcome:
        """Confirm or close a mode."""

        def decide(known: Known, now: int) -> list[Written]:
            mode = known.modes.get(name)
            if mode is None:
                there = known.broken.get(f"{MODES_TOPIC} {name}", ", ".join(known.modes) or "none")
                raise ActRefused("no-mode", f"mode {name}", f"there is none of this id: {there}", "one that is there",
                                 "`gebus mode list` shows them")  # fmt: skip
            return [Written(name, mode.done(mode_act(person, verb, name, now, reason)))]

        return self._log.change(decide, {"verb": verb, "by": person.id, "about": name, "reason": reason})
