"""The Unified Social Credit Code of GB 32100: an authority, a division, an organisation code and a check."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import date

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers import organisation
from gebus.model.identifiers.division import Divisions
from gebus.model.identifiers.form import NO_FORM

KIND = "uscc"
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""31 characters, a prime: with weights that are powers of 3, no single wrong one leaves the sum as it was."""

AUTHORITIES = {
    "1": "机构编制", "2": "外交", "3": "司法行政", "4": "文化", "5": "民政", "6": "旅游", "7": "宗教", "8": "工会",
    "9": "工商", "A": "中央军委改革和编制办公室", "N": "农业", "Y": "其他",
}  # fmt: skip
"""Registering authorities by the first character (GB 32100-2015 and its amendments)."""

_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_DIVISION = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Uscc:
    """What a USCC says."""

    value: str
    authority: str | None
    """None for one that GB 32100 does not name: authorities are added without a new edition."""
    division: str
    """Of the registering authority, at the time of registration; 100000 for the country."""
    organisation: str


def check_character(body: str) -> str:
    """The eighteenth character to seventeen, by GB 32100."""
    return ALPHABET[-sum(ALPHABET.index(one) * weight for one, weight in zip(body, _WEIGHTS, strict=True)) % 31]


def parse(value: str) -> Uscc:
    """The parts of a USCC; IdentifierRefused for what is none.

    Promised: any one wrong character is found. The rule is GB 32100-2015, 4 and 5, and GB 11714 for the nine characters
    inside. (python-stdnum's `cn.uscc` is not used: it refuses authorities that are letters, and does not look at the
    organisation code.) Not promised: that the code was issued, or that its division is one.
    """
    if len(value) != 18 or any(one not in ALPHABET for one in value):
        raise _wrong_form(value)
    if not _DIVISION.fullmatch(value[2:8]):
        raise IdentifierRefused(KIND, "characters 3 to 8, the division", value[2:8], "six digits")
    inner = organisation.check_character(value[8:16])
    outer = check_character(value[:16] + inner)
    if value[16] != inner and value[17] != outer:
        found = f"{value[16:]}, where the others give {inner}{outer}"
        allowed = "the characters that the others give, the first by GB 11714, the second by GB 32100"
        raise IdentifierRefused(KIND, "characters 17 and 18, the check characters", found, allowed)
    if value[16] != inner:
        where = "character 17, the check character of the organisation code"
        found = f"{value[16]}, where {value[8:16]} gives {inner}"
        raise IdentifierRefused(KIND, where, found, "the character that the eight before it give by GB 11714")
    if value[17] != outer:
        found = f"{value[17]}, where the others give {outer}"
        allowed = "the character that the others give by GB 32100"
        raise IdentifierRefused(KIND, "character 18, the check character", found, allowed)
    return Uscc(value, AUTHORITIES.get(value[0]), value[2:8], value[8:17])


def mask(value: str) -> str:
    """The value as it may be shown: authority and division, then stars."""
    return value[:8] + "*" * 10 if len(value) == 18 and all(one in ALPHABET for one in value) else NO_FORM


def generate(numbers: random.Random, on: date, divisions: Divisions | None = None) -> str:
    """A code of an enterprise or a department, registered in a county of the day `on`.

    Promised: the same state of `numbers`, day and divisions give the same code. Not promised: that nobody has it.
    """
    counties = (divisions or Divisions.built_in()).counties(on)
    body = "".join(numbers.choices(ALPHABET, k=8))
    return complete(
        numbers.choice(("11", "12", "51", "91", "92", "93", "A1", "N1", "Y1")) + numbers.choice(counties), body
    )


def complete(registered: str, body: str) -> str:
    """The code of eight characters of authority and division, and eight of an organisation, with both checks.

    Promised: what it gives holds by parse(). Both must be of the alphabet; ValueError otherwise.
    """
    whole = registered + body + organisation.check_character(body)
    return whole + check_character(whole)


def _wrong_form(value: str) -> IdentifierRefused:
    allowed = "18 characters of 0-9 and A-Z without I, O, S, V, Z"
    if len(value) != 18:
        return IdentifierRefused(KIND, "its length", f"{len(value)} characters", allowed)
    place = next(place for place, one in enumerate(value) if one not in ALPHABET)
    return IdentifierRefused(KIND, f"character {place + 1}", repr(value[place]), allowed)
