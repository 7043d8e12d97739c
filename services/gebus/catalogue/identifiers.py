"""Checks of identifiers: the Unified Social Credit Code of GB 32100."""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def uscc_problem(code: str) -> str | None:
    """What is wrong with a Unified Social Credit Code, or None.

    Promised: one mistyped character is found, in the whole code by GB 32100 and in the organisation code inside it
    by GB 11714. Registration authorities that are letters are accepted. Not promised: that the code was issued.
    """
    if len(code) != 18 or any(character not in _ALPHABET for character in code):
        return "is not 18 characters of 0-9 and A-Z without I, O, S, V, Z"
    total = sum(_ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(code[:17]))
    expected = _ALPHABET[(31 - total % 31) % 31]
    if code[17] != expected:
        return f"ends in {code[17]}, its check character by GB 32100 is {expected}"
    organisation = code[8:17]
    remainder = sum(
        _ORGANISATION_ALPHABET.index(character) * weight
        for character, weight in zip(organisation[:8], _ORGANISATION_WEIGHTS, strict=True)
    )
    check = (11 - remainder % 11) % 11
    inner = "X" if check == 10 else str(check)
    if organisation[8] != inner:
        return f"has the organisation code {organisation}, whose check character by GB 11714 is {inner}"
    return None
