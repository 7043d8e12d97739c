"""Moments in time, as people write them on a command line."""

from __future__ import annotations

from datetime import UTC, date, datetime

import typer
from pydantic import TypeAdapter, ValidationError

from gebus.model.base import Duration


def instant(text: str, now: datetime, option: str = "--from") -> datetime:
    """An instant with its offset, or how long before `now`."""
    try:
        return now - TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} is no instant; write one with its offset, as 2020-02-01T08:00:00+08:00 or 2020-02-01T00:00Z, "
            "or how long ago, as 30m, 2h or 7d",
            param_hint=option,
        )
    return found


def today() -> date:
    """The day (UTC) whose policy holds for what is done now."""
    return datetime.now(UTC).date()
