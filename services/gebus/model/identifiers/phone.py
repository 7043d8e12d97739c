"""Mobile phone numbers of mainland China: E.164, or the eleven digits of the national form."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Literal

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers.form import NO_FORM

KIND = "phone"

Use = Literal["public", "virtual operator", "satellite"]

SEGMENTS: dict[str, Use] = {
    **{str(segment): "public" for segment in (*range(130, 140), 145, 147, *range(150, 154), *range(155, 160), 166)},
    **{str(segment): "public" for segment in (172, 173, 175, 176, 177, 178, *range(180, 194), *range(195, 200))},
    **dict.fromkeys(("162", "165", "167", "170", "171"), "virtual operator"),
    **dict.fromkeys(("17400", "17401", "17402", "17403", "17404", "17405"), "satellite"),
}
"""First digits that the numbering plan gives to mobile phones (工信部《电信网编号计划（2017年版）》 and what was
assigned since; libphonenumber's metadata of CN says the same). Those of things, 13 digits from 140 to 149, are not a
person's."""

_FORM = re.compile(r"(?:\+86)?([0-9]{11})", re.ASCII)
_NATIONAL = 11


@dataclass(frozen=True, slots=True)
class Phone:
    """What a phone number says. Its repr shows nothing of it."""

    e164: str = field(repr=False)
    use: Use


def parse(value: str) -> Phone:
    """The parts of a mobile number, written `+8613800000000` or `13800000000`; IdentifierRefused for any other.

    Promised: the form and the segment are checked. Not promised: that a wrong digit is found after the segment, for
    the number has no check; that it is in service; numbers of a fixed line, of things or of another country.
    """
    form = _FORM.fullmatch(value)
    if form is None:
        raise _wrong_form(value)
    national = form[1]
    use = SEGMENTS.get(national[:3]) or SEGMENTS.get(national[:5])
    if use is None:
        first = 4 if value[0] == "+" else 1
        allowed = "a mobile segment of the numbering plan, such as 138, 166 or 199"
        raise IdentifierRefused(KIND, f"characters {first} to {first + 2}, the segment", national[:3], allowed)
    return Phone(f"+86{national}", use)


def mask(value: str) -> str:
    """The value as it may be shown: the segment and the last two digits, which a million numbers share."""
    form = _FORM.fullmatch(value)
    return NO_FORM if form is None else f"{value[:-8]}******{value[-2:]}"


def generate(numbers: random.Random) -> str:
    """A number in the form of E.164. Not promised: that nobody has it, for China reserves none for inventions."""
    segment = numbers.choice(list(SEGMENTS))
    rest = "".join(numbers.choices("0123456789", k=_NATIONAL - len(segment)))
    return f"+86{segment}{rest}"


def _wrong_form(value: str) -> IdentifierRefused:
    allowed = "11 digits, or +86 and 11 digits, without spaces or hyphens"
    for place, one in enumerate(value):
        if not ("0" <= one <= "9" or (place == 0 and one == "+")):
            return IdentifierRefused(KIND, f"character {place + 1}", repr(one), allowed)
    if value.startswith("+") and not value.startswith("+86"):
        return IdentifierRefused(KIND, "characters 1 to 3, the country", repr(value[:3]), allowed)
    return IdentifierRefused(KIND, "its length", f"{len(value)} characters", allowed)
