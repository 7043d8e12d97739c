"""What every model of gebus shares: frozen, closed, and named in the words of the field."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

PARTY_PATTERN = r"^[a-z][a-z0-9-]{1,40}$"
TOPIC_PATTERN = r"^[a-z][a-z0-9]*\.[a-z][a-z0-9_]*$"
NAME_PATTERN = r"^[a-z][a-z0-9-]{0,60}$"
FIELD_PATTERN = r"^[a-z][a-z0-9_]{0,60}$"

PartyId = Annotated[str, StringConstraints(pattern=PARTY_PATTERN)]
TopicName = Annotated[str, StringConstraints(pattern=TOPIC_PATTERN)]
"""`<domain>.<event>`: the name of a topic contract. A party's Kafka topic is `<domain>.<event>.<party>`."""
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""The written, unique, permanent name of a feed or a step."""
FieldName = Annotated[str, StringConstraints(pattern=FIELD_PATTERN)]

_DURATION = re.compile(r"^(\d+)(ms|s|m|h|d)$")
_UNIT = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ValueError("a duration is a whole number and a unit: ms, s, m, h or d, as in 14d")
        return timedelta(milliseconds=int(match[1]) * _UNIT[match[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("a duration is a whole number and a unit: ms, s, m, h or d, as in 14d")


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a duration is longer than zero")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
"""Written as `14d`, `12h`, `5m`, `30s` or `100ms`."""


def _day(value: object) -> object:
    if isinstance(value, str | date):
        return value
    raise ValueError("a day is written as 2020-02-01")  # pydantic would take a number for a Unix time


Day = Annotated[date, BeforeValidator(_day)]
"""Written as `2020-02-01`."""


def milliseconds(duration: timedelta) -> int:
    """The whole milliseconds of a duration."""
    return duration // timedelta(milliseconds=1)


class Model(BaseModel):
    """A value: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class Title(Model):
    """A name for people, in Chinese and in English."""

    zh: Annotated[str, StringConstraints(min_length=1)]
    en: Annotated[str, StringConstraints(min_length=1)]
