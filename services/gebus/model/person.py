"""A person who acts for a party: every act on a grant or a mode is somebody's."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import StringConstraints

from gebus.model.base import Model, PartyId
from gebus.model.errors import ActRefused

Role = Literal["applicant", "approver", "commander", "operator"]
"""applicant: asks for grants. approver: decides on them. commander: opens and closes modes. operator: runs the bus."""
ROLES: tuple[Role, ...] = get_args(Role)

PersonId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9.-]{0,40}@[a-z][a-z0-9-]{1,40}$")]
"""`<name>@<party>`."""

BUS = "gebus"
"""The party of the bus itself: what is due by time alone is done by it."""


class Person(Model):
    """Who acts, and what they may do for their party."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9.-]{0,40}$")]
    party: PartyId
    roles: frozenset[Role]

    @property
    def id(self) -> str:
        return f"{self.name}@{self.party}"

    def must_be(self, role: Role, what: str, verb: str) -> None:
        """ActRefused unless this person has the role."""
        if role not in self.roles:
            has = ", ".join(sorted(self.roles)) or "no role"
            raise ActRefused(
                "wrong-role", what, f"{self.id} ({has}) wants to {verb}", f"{verb} by a person with the role {role}",
                f"`gebus person add {self.id} --role {role}` gives it, done by who runs the bus",
            )  # fmt: skip


THE_BUS = Person(name="bus", party=BUS, roles=frozenset({"operator"}))


def party_of(person: str) -> str:
    """The party of a person's id."""
    return person.partition("@")[2]
