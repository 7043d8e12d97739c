"""Invented journeys of cases, passengers and queries, on a few invented runs, so that they meet."""

from __future__ import annotations

import random

_FIRST_DAY = 18_270
"""9 January 2020."""
_RUNS = (*(f"XX{number}" for number in (1001, 1002, 1003, 1004)), "G9001", "G9002", "K9003", "K9004")
"""Nobody's numbers: XX is no airline, and no train has these."""
_AIRCRAFT = 4
"""So many of the runs, from the first, are flights."""
_TYPED_WRONGLY = 0.1
_ROWS, _CARS, _REACH = 20, 4, 3

_Content = dict[str, object]


def _on(which: int) -> _Content:
    run = which % len(_RUNS)
    return {"carrier_no": _RUNS[run], "service_date": _FIRST_DAY + run}


def _flies(which: int) -> bool:
    return which % len(_RUNS) < _AIRCRAFT


def trip(numbers: random.Random, which: int, _region: str, _day: int) -> _Content:
    """A case's journey, stamped as for 1 February 2020. Some come to another run, as a number typed wrongly does."""
    which += numbers.random() < _TYPED_WRONGLY
    flies = _flies(which)
    row = numbers.choice([None, numbers.randint(1, _ROWS)]) if flies else None
    car = None if flies else numbers.choice([None, str(numbers.randint(1, _CARS))])
    since = numbers.choice([None, _FIRST_DAY + numbers.randrange(len(_RUNS))])
    area = ("carrier" if row is None else "rows") if flies else ("carrier" if car is None else "car")
    return {
        "carrier": "aircraft" if flies else "train_sealed",
        **_on(which),
        "car": car,
        "row": row,
        "seat": None,
        "symptom_onset": since,
        "look_back": "plan-1",
        "look_back_days": 0,
        "infectious_from": since,
        "contact_area": area,
        "contact_row_from": None if row is None else max(1, row - _REACH),
        "contact_row_to": None if row is None else row + _REACH,
        "source_url": None,
    }


def seat(numbers: random.Random, which: int, _region: str, _day: int) -> _Content:
    """A line of a list of passengers; one of them is always on the same run, and may move to another seat."""
    crew = which % 10 == 0
    row = numbers.randint(1, _ROWS)
    skips = which % len(_RUNS) == 0
    return {
        "passenger_id": f"p-{which:04d}",
        **_on(which),
        "car": None if _flies(which) else str(numbers.randint(1, _CARS)),
        "row": None if crew else row + 1 if skips and row >= 13 else row,
        "seat": None if crew else numbers.choice("ABCF"),
        "role": "crew" if crew else "passenger",
        "skips_row_13": skips,
    }


def query(numbers: random.Random, which: int, _region: str, _day: int) -> _Content:
    """A question of the app, each a new one. Some ask for a day on which that run was not."""
    day = _FIRST_DAY + which % len(_RUNS) + (which % 5 == 0)
    return {"query_no": f"q-{numbers.randrange(10**12):012d}", **_on(which), "service_date": day}
