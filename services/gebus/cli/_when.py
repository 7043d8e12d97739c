"""Instants still to come, as people write them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from pydantic import TypeAdapter, ValidationError

from gebus.model.base import Duration
from gebus.model.errors import GebusError
from gebus.model.working_days import CHINA

_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


def when_ms(text: str, now_ms: int) -> int:
    """A day (its beginning in China), an instant with its offset, or how long from now, as 30d."""
    try:
        return now_ms + _DURATION.validate_python(text) // timedelta(milliseconds=1)
    except ValidationError:
        pass
    try:
        if len(text) == len("2027-01-31"):
            found = datetime.combine(date.fromisoformat(text), time(), CHINA)
        else:
            found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise GebusError(f"{text!r} is no time; write a day, 2027-01-31, an instant, 2027-01-31T08:00:00+08:00, or 30d")
    return int(found.timestamp() * 1000)
