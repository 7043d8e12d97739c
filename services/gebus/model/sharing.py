"""How a topic contract's data is shared: who decides on a request, how many of them, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gebus.model.base import Model, PartyId

_FORMAL_CHECK = 2
_CATALOGUED, _NOT_CATALOGUED = 5, 10


class Sharing(Model):
    """The sharing kind of a contract (domain 3.7).

    unconditional: its owner checks the form, within 2 working days. conditional: its owner answers within 5 working
    days where the data stands in the national catalogue of government data, 10 where it does not. none: not shared.
    Promised: nothing is granted by silence; a deadline that passes goes to `authority`. Not promised: that a deadline
    of next year is final before that year's notice of rest days is out.
    """

    kind: Literal["unconditional", "conditional", "none"]
    catalogued: bool
    levels: Literal[1, 2]
    """2: the authority approves as well, after the owner."""
    authority: PartyId | None
    """The data authority: it decides where the owner did not in time, where a refusal is disputed, and where the owner
    itself asks."""

    @model_validator(mode="after")
    def _second_level_is_named(self) -> Sharing:
        if self.levels == 2 and self.authority is None:
            raise ValueError("two levels need the authority that is the second")
        return self

    @property
    def working_days(self) -> int:
        if self.kind == "unconditional":
            return _FORMAL_CHECK
        return _CATALOGUED if self.catalogued else _NOT_CATALOGUED


STRICT = Sharing(kind="conditional", catalogued=False, levels=1, authority=None)
"""Of a contract that says nothing: its owner decides."""


class Decider(Model):
    """A party that decides on a request, at level 1 or after all of those at level 2."""

    party: PartyId
    level: Literal[1, 2]
    working_days: Annotated[int, Field(ge=1, le=60)]
    authority: PartyId | None
    """Who decides in its stead once its deadline has passed."""


def deciders(consumer: str, sharings: Mapping[str, tuple[str, Sharing]]) -> tuple[Decider, ...]:
    """Who decides on a request of `consumer`, from the owner and sharing of each contract that the feed reads.

    A consumer never decides on its own request: where it owns a contract, that contract's authority does.
    """
    found: dict[tuple[str, int], Decider] = {}
    for owner, sharing in sharings.values():
        days, authority = sharing.working_days, sharing.authority
        first = authority if owner == consumer else owner
        second = authority if sharing.levels == 2 and authority != first else None
        for party, level in ((first, 1), (second, 2)):
            if party is None or party == consumer:
                continue
            instead = authority if authority not in (party, consumer) else None
            known = found.get((party, level))
            shortest = min(days, known.working_days) if known else days
            found[party, level] = Decider(
                party=party,
                level=2 if level == 2 else 1,
                working_days=shortest,
                authority=instead or (known.authority if known else None),
            )
    return tuple(found[key] for key in sorted(found, key=lambda key: (key[1], key[0])))
