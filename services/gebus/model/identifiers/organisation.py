"""The organisation code of GB 11714: eight characters and a check, by itself or inside a USCC."""

from __future__ import annotations

import re

from gebus.model.errors import IdentifierRefused

KIND = "organisation code"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_FORM = re.compile(r"[0-9A-Z]{8}[0-9X]", re.ASCII)


def check_character(body: str) -> str:
    """The ninth character to eight of 0-9 and A-Z, by GB 11714: weights 3 7 9 10 5 8 4 2, modulo 11, X for ten."""
    total = sum(_ALPHABET.index(character) * weight for character, weight in zip(body, _WEIGHTS, strict=True))
    check = -total % 11
    return "X" if check == 10 else str(check)


def check(value: str) -> None:
    """Nothing for an organisation code of nine characters, without a hyphen; IdentifierRefused for any other.

    Promised: a wrong digit in the place of a digit is found. Not promised: that every wrong letter is, for 36
    characters share eleven remainders (0, B and M weigh the same); nor that the code was issued.
    """
    if not _FORM.fullmatch(value):
        raise IdentifierRefused(KIND, "its form", repr(value[:20]), "8 characters of 0-9 and A-Z, then a digit or X")
    expected = check_character(value[:8])
    if value[8] != expected:
        found = f"{value[8]}, where the others give {expected}"
        raise IdentifierRefused(KIND, "character 9, the check character", found, "what the others give by GB 11714")
