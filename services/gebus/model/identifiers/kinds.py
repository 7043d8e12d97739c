"""The kinds of identifiers by the names that event schemas and commands use."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers import citizen_id, division, phone, plate, uscc
from gebus.model.identifiers.division import Divisions
from gebus.model.identifiers.form import NO_FORM

_BLANKS = re.compile(r"[\s·-]+")
_PERSONAL_MASKS = (citizen_id.mask, phone.mask, plate.mask)


@dataclass(frozen=True, slots=True)
class IdentifierKind:
    """One kind of identifier: what checks, masks and invents its values."""

    name: str
    title: str
    personal: bool
    """Whether a value leads to a person: then no message shows more of it than its mask, whatever its level."""
    mask: Callable[[str], str]
    generate: Callable[[random.Random, date], str]
    _check: Callable[[str, date], object]

    def problem(self, value: str, on: date) -> IdentifierRefused | None:
        """Why the value is no identifier of this kind on that day, or None."""
        try:
            self._check(value, on)
        except IdentifierRefused as refused:
            return refused
        return None

    def told(self, value: str, problem: IdentifierRefused, *, shown: bool) -> tuple[str, str]:
        """What was found and what is allowed, for a message.

        Promised: nothing of the value beyond its mask unless `shown`, and never of what has the form of a person's.
        """
        if self.personal or not shown:
            return f"{self.title}, {self.mask(value)}, wrong in {problem.where}", problem.allowed
        # Who mixes up two fields writes a person's number where a company's belongs, with the blanks that people use.
        plain = _BLANKS.sub("", value).upper()
        person = next((mask(plain) for mask in _PERSONAL_MASKS if mask(plain) != NO_FORM), None)
        if person is not None:
            return f"{self.title}, {person}, wrong in {problem.where}", problem.allowed
        found = f"{value[:40]!r}, wrong in {problem.where}: {problem.found}"
        return found, f"{problem.allowed}; {problem.next_step}" if problem.next_step else problem.allowed


def identifier_kinds(divisions: Divisions | None = None) -> Mapping[str, IdentifierKind]:
    """All kinds, with that list of divisions or, without one, the built-in list, which is read when it is needed."""
    kinds = (
        IdentifierKind(
            citizen_id.KIND,
            "a citizen id",
            True,
            citizen_id.mask,
            partial(citizen_id.generate, divisions=divisions),
            partial(citizen_id.parse, divisions=divisions),
        ),
        IdentifierKind(
            uscc.KIND,
            "a USCC",
            False,
            uscc.mask,
            partial(uscc.generate, divisions=divisions),
            lambda value, _: uscc.parse(value),
        ),
        IdentifierKind(
            division.KIND,
            "a division",
            False,
            division.mask,
            partial(division.generate, divisions=divisions),
            partial(division.parse, divisions=divisions),
        ),
        IdentifierKind(
            phone.KIND,
            "a phone number",
            True,
            phone.mask,
            lambda numbers, _: phone.generate(numbers),
            lambda value, _: phone.parse(value),
        ),
        IdentifierKind(
            plate.KIND,
            "a plate",
            True,
            plate.mask,
            lambda numbers, _: plate.generate(numbers),
            lambda value, _: plate.parse(value),
        ),
    )
    return {kind.name: kind for kind in kinds}


IDENTIFIER_NAMES = tuple(identifier_kinds())
"""What the attribute `identifier` of a field may be."""
