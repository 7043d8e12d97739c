"""Registration plates of vehicles, GA 36: a province, the office that issued it, and a serial."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Literal

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers.form import NO_FORM

KIND = "plate"

PROVINCES = {
    "京": "110000", "津": "120000", "冀": "130000", "晋": "140000", "蒙": "150000", "辽": "210000", "吉": "220000",
    "黑": "230000", "沪": "310000", "苏": "320000", "浙": "330000", "皖": "340000", "闽": "350000", "赣": "360000",
    "鲁": "370000", "豫": "410000", "鄂": "420000", "湘": "430000", "粤": "440000", "桂": "450000", "琼": "460000",
    "渝": "500000", "川": "510000", "贵": "520000", "云": "530000", "藏": "540000", "陕": "610000", "甘": "620000",
    "青": "630000", "宁": "640000", "新": "650000",
}  # fmt: skip
"""The division of each province's character."""

Drive = Literal["fuel", "electric", "hybrid"]

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_OFFICES = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
_SERIAL = re.compile(r"[0-9A-HJ-NP-Z]{5}|[0-9A-HJ-NP-Z]{4}[学警挂领]", re.ASCII)
_BORDER = re.compile(r"[0-9A-HJ-NP-Z]{4}[港澳]", re.ASCII)
_SMALL = re.compile(r"([A-HJK])[0-9A-HJ-NP-Z][0-9]{4}", re.ASCII)
_LARGE = re.compile(r"[0-9]{5}([A-HJK])", re.ASCII)
_ELECTRIC = "ABCDE"
"""GA 36 began with D; A, B, C and E followed where D was used up, and G, H, J, K after F for the hybrids."""


@dataclass(frozen=True, slots=True)
class Plate:
    """What a plate says. Its repr shows nothing of it."""

    value: str = field(repr=False)
    division: str = field(repr=False)
    """Of the province, six digits."""
    drive: Drive
    """A serial of six says whether a battery alone (electric) or not (hybrid); anything else counts as fuel."""


def parse(value: str) -> Plate:
    """The parts of a plate, written without a dot or a space, as in 鄂A12345; IdentifierRefused for any other.

    Promised: the province, the office's letter and the form of the serial hold by GA 36-2018: five of digits and
    letters without I and O, the last one of which may be 学, 警, 挂 or 领 (after 粤Z also 港 or 澳), or six of a new
    energy. Not promised: that a wrong character of the serial is found, for a plate has no check; that the
    office exists; plates of embassies and of the forces.
    """
    if not value or value[0] not in PROVINCES:
        found = repr(value[0]) if value else "no character"
        raise IdentifierRefused(KIND, "character 1, the province", found, f"one of {''.join(PROVINCES)}")
    if len(value) < 2 or value[1] not in _OFFICES:
        found = repr(value[1]) if len(value) > 1 else "no character"
        raise IdentifierRefused(KIND, "character 2, the office", found, "a letter A to Z, without I")
    serial, drive = value[2:], _drive(value[2:])
    if drive is None and not _SERIAL.fullmatch(serial) and not (value[:2] == "粤Z" and _BORDER.fullmatch(serial)):
        raise _wrong_serial(serial)
    return Plate(value, PROVINCES[value[0]], drive or "fuel")


def mask(value: str) -> str:
    """The value as it may be shown: province and office, then stars."""
    formed = 7 <= len(value) <= 8 and value[0] in PROVINCES and value[1] in _OFFICES
    return value[:2] + "*" * (len(value) - 2) if formed else NO_FORM


def generate(numbers: random.Random) -> str:
    """A plate of any kind that parse() takes. Not promised: that no vehicle has it."""
    office = numbers.choice(list(PROVINCES)) + numbers.choice(_OFFICES)
    digits = "".join(numbers.choices("0123456789", k=5))
    return office + numbers.choice(
        (
            digits,
            numbers.choice(_LETTERS) + digits[1:],
            digits[:4] + numbers.choice("学警挂领"),
            numbers.choice("ABCDEFGHJK") + numbers.choice("0123456789" + _LETTERS) + digits[1:],
            digits + numbers.choice("ABCDEFGHJK"),
        )
    )


def _drive(serial: str) -> Drive | None:
    form = _SMALL.fullmatch(serial) or _LARGE.fullmatch(serial)
    if form is None:
        return None
    return "electric" if form[1] in _ELECTRIC else "hybrid"


def _wrong_serial(serial: str) -> IdentifierRefused:
    if len(serial) == 6:
        allowed = "for new energy: A to H, J or K first and four digits last, or five digits and such a letter"
        return IdentifierRefused(KIND, "characters 3 to 8, the serial", repr(serial), allowed)
    allowed = "five of 0-9 and A-Z without I and O, or six for new energy"
    if len(serial) != 5:
        return IdentifierRefused(KIND, "the serial's length", f"{len(serial)} characters", allowed)
    known = "0123456789" + _LETTERS
    place = next((place for place, one in enumerate(serial) if one not in known), 4)
    return IdentifierRefused(KIND, f"character {place + 3}", repr(serial[place]), allowed)
