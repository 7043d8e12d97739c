"""Runs that are in the timetables: numbers of trains, and routes of airlines."""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta

from gebus_connectors.sources.journeys import Run
from gebus_connectors.sources.manifest.config import ManifestConfig
from gebus_connectors.sources.reading import Skipped
from gebus_connectors.sources.rows import csv_rows

_FIRST_DAY, _DAYS = date(2020, 1, 10), 14


def trains(config: ManifestConfig) -> list[Run]:
    """Some trains of the timetable of 2019, each on a day of January 2020."""
    numbers = _numbers(config)
    known = sorted({str(row.cells["tid"]) for row in csv_rows(config.stops) if not isinstance(row, Skipped)})
    chosen = numbers.sample(known, min(config.others, len(known)))
    return [Run("train", number, _day(numbers), "100000") for number in chosen]


def flights(config: ManifestConfig) -> list[Run]:
    """Some routes of 2014, each as a flight of its airline on a day of January 2020; its number is invented."""
    numbers = _numbers(config)
    with config.routes.open(encoding="utf-8", newline="") as file:
        airlines = sorted(row[0] for row in csv.reader(file) if len(row) > 1 and len(row[0]) == 2)
    chosen = numbers.sample(airlines, min(config.others, len(airlines)))
    # Numbers from 9000 are those of ferry and extra flights: none of a case's journey is among them.
    return [
        Run("aircraft", f"{airline}{9000 + place}", _day(numbers), "100000") for place, airline in enumerate(chosen)
    ]


def _numbers(config: ManifestConfig) -> random.Random:
    # The seed makes the run, so the numbers need to be repeatable, not secret.
    return random.Random(f"{config.seed}/{config.party}")  # noqa: S311


def _day(numbers: random.Random) -> date:
    return _FIRST_DAY + timedelta(days=numbers.randrange(_DAYS))
