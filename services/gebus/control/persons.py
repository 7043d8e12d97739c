"""The persons of a local stack: who may act for which party."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gebus.kafka.secrets import Secrets
from gebus.model.errors import Denied, NotFound
from gebus.model.person import Person


@dataclass(frozen=True, slots=True)
class Persons:
    """The persons below `<home>/secrets/persons`, one file each, readable by the owner of the home alone.

    Promised: who cannot read the home's secrets can act as nobody. Not promised: that persons of one home are kept
    apart; whoever owns the home on this machine can act as each of them. It is for one's own machine and for tests;
    a bus of several organisations needs a service before it that knows its users by certificate or OIDC.
    """

    home: Path

    @property
    def _files(self) -> Secrets:
        return Secrets(self.home / "secrets" / "persons")

    def get(self, person: str) -> Person:
        """A person by `<name>@<party>`; Denied where this home has none."""
        path = self._files.directory / f"{person}.json"
        if "/" in person or "@" not in person or not path.is_file():
            known = ", ".join(one.id for one in self.all()) or "nobody"
            raise Denied(
                f"{person} is no person of this home, which has {known}; `gebus person add {person} --role ROLE`"
            )
        try:
            return Person(**json.loads(path.read_text()))
        except (ValueError, TypeError, ValidationError) as error:
            raise Denied(f"{path} is no person ({type(error).__name__}); remove it, and add the person again") from None

    def add(self, person: Person) -> None:
        """Let a person act, with these roles and no others."""
        text = json.dumps({"name": person.name, "party": person.party, "roles": sorted(person.roles)})
        self._files.write_file(f"{person.id}.json", text.encode())

    def remove(self, person: str) -> None:
        """Let a person act no more."""
        path = self._files.directory / f"{person}.json"
        if "/" in person or not path.is_file():
            raise NotFound(f"{person} is no person of this home; `gebus person list` names them")
        path.unlink()

    def all(self) -> list[Person]:
        """Who may act, by party and name."""
        names = sorted(path.stem for path in self._files.directory.glob("*@*.json"))
        return sorted((self.get(name) for name in names), key=lambda one: (one.party, one.name))
