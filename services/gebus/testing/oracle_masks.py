"""Masks on decoded values, in plain Python: the oracle's own reading of gebus.model.event.Mask."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from gebus.model.event import Mask

_DAYS_OF_400_YEARS = 146_097
_EPOCH = date(1970, 1, 1).toordinal()
_MS_OF_A_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """The key of a feed's tokens, for how long it holds, and the hash."""

    key: bytes
    period: str = "always"
    hash: str = "sha-256"

    def of(self, value: Any, at_ms: int = 0) -> str:
        """The token of a value in a record that the log took then."""
        digest = self.hash.replace("-", "")
        own = hmac.new(self.key, self._name(at_ms).encode(), digest).digest()
        return hmac.new(own, str(value).encode(), digest).hexdigest()[:32]

    def _name(self, at_ms: int) -> str:
        day = datetime.fromtimestamp(at_ms // 1000, UTC)
        return {
            "always": "",
            "year": f"{day:%Y}",
            "quarter": f"{day:%Y}-Q{-(-day.month // 3)}",
            "month": f"{day:%Y-%m}",
            "day": f"{day:%Y-%m-%d}",
        }[self.period]


def masked(value: Any, mask: Mask | None, tokens: Tokens | bytes, lowest: int = -(2**63), at_ms: int = 0) -> Any:
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
        "parent": lambda: _coarse(value, _digits_above(value)),
        "grid": lambda: _edge(value, mask.width),
        "token": lambda: (Tokens(tokens) if isinstance(tokens, bytes) else tokens).of(value, at_ms),
    }
    return by_kind[mask.kind]()


def _starred(text: str, first: int, last: int) -> str:
    shown = set(range(first)) | set(range(len(text) - last, len(text))) if len(text) > first + last else set()
    return "".join(character if index in shown else "*" for index, character in enumerate(text))


def _coarse(code: str, digits: int) -> str:
    """A division's code above its county, city or province; what is no code of digits shows nothing."""
    kept = code[:digits] if all(character in "0123456789" for character in code) else ""
    return kept + "0" * (len(code) - len(kept))


def _digits_above(code: str) -> int:
    """How much of a code is left of the division that it lies in, from the shortest way to write it."""
    levels = [0, 2, 4, 6, 9, 12, len(code)]
    own = next((number for number, end in enumerate(levels) if number and not code[end:].strip("0")), 0)
    return 0 if own <= 1 else levels[own - 1]


def _edge(degrees: float, minutes: int) -> float:
    """Degrees, down to a whole number of cells."""
    cells = degrees * 60.0 / minutes
    return cells if not math.isfinite(cells) else math.floor(cells) * float(minutes) / 60.0


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
