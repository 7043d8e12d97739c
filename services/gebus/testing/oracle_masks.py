"""Masks on decoded values, in plain Python: the oracle's own reading of gebus.model.event.Mask."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import date
from typing import Any

from gebus.model.event import Mask

_DAYS_OF_400_YEARS = 146_097
_EPOCH = date(1970, 1, 1).toordinal()
_MS_OF_A_DAY = 86_400_000


def masked(value: Any, mask: Mask | None, key: bytes, lowest: int = -(2**63)) -> Any:
    """What a consumer gets instead of `value`; a null stays null. `lowest` is the least value that the type holds."""
    if mask is None or value is None:
        return value
    by_kind: dict[str, Callable[[], Any]] = {
        "null": lambda: None,
        "fixed": lambda: mask.value,
        "partial": lambda: _starred(value, mask.first, mask.last),
        "division": lambda: _coarse(value, mask.digits),
        "date": lambda: max(first_day(value, mask.unit), lowest),
        "instant": lambda: max(first_day(value // _MS_OF_A_DAY, mask.unit) * _MS_OF_A_DAY, lowest),
        "band": lambda: max(value - value % mask.width, lowest),
        "token": lambda: hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:32],
    }
    return by_kind[mask.kind]()


def _starred(text: str, first: int, last: int) -> str:
    shown = set(range(first)) | set(range(len(text) - last, len(text))) if len(text) > first + last else set()
    return "".join(character if index in shown else "*" for index, character in enumerate(text))


def _coarse(code: str, digits: int) -> str:
    """A division's code above its county, city or province; what is no code of digits shows nothing."""
    kept = code[:digits] if all(character in "0123456789" for character in code) else ""
    return kept + "0" * (len(code) - len(kept))


def first_day(days: int, unit: str) -> int:
    """The first day of the month or year that a day lies in, as days since 1970, over all years.

    Python's dates end with the year 9999; the calendar repeats after 400 years.
    """
    if unit == "day":
        return days
    cycles, rest = divmod(days, _DAYS_OF_400_YEARS)
    day = date.fromordinal(_EPOCH + rest)
    first = day.replace(day=1) if unit == "month" else day.replace(day=1, month=1)
    return cycles * _DAYS_OF_400_YEARS + first.toordinal() - _EPOCH
