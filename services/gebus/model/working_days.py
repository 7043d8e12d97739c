"""The working days of the Chinese mainland: deadlines of requests are counted in them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import NamedTuple

from chinese_calendar import holidays, is_workday

CHINA = timezone(timedelta(hours=8), "China")
_SATURDAY = 5
_PUBLISHED = frozenset(day.year for day in holidays)
"""The years whose notice the library has."""


class Deadline(NamedTuple):
    """The first instant that is too late, and whether the calendar up to it was already published."""

    at_ms: int
    certain: bool


def shown(at_ms: int) -> str:
    """An instant as people read it, in China's time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).isoformat(" ", "seconds")


def deadline(from_ms: int, working_days: int) -> Deadline:
    """The end of the n-th working day after the day of `from_ms`, both in China's time.

    Promised: days of rest and days worked in their stead are those of the State Council's yearly notices. Not promised:
    those of a year without a notice yet; Saturdays and Sundays alone are days of rest then, and `certain` is False.
    """
    day = datetime.fromtimestamp(from_ms / 1000, UTC).astimezone(CHINA).date()
    certain = True
    left = working_days
    while left:
        day += timedelta(days=1)
        works, published = _works(day)
        certain = certain and published
        left -= works
    end = datetime.combine(day + timedelta(days=1), time(), CHINA)
    return Deadline(int(end.timestamp()) * 1000, certain)


def _works(day: date) -> tuple[bool, bool]:
    published = day.year in _PUBLISHED
    return (is_workday(day) if published else day.weekday() < _SATURDAY), published
