"""Deadlines against the State Council's notices."""

from __future__ import annotations

from datetime import datetime

import pytest

from gebus.model.working_days import CHINA, deadline


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


@pytest.mark.parametrize(
    ("asked", "days", "ends", "certain"),
    [
        ("2026-11-16 09:00", 2, "2026-11-19 00:00", True),  # Monday: Tuesday and Wednesday count
        ("2026-11-20 23:59", 1, "2026-11-24 00:00", True),  # over a weekend
        ("2020-01-17 12:00", 2, "2020-01-21 00:00", True),  # Sunday, 19 January 2020 was worked for the Spring Festival
        ("2020-01-23 12:00", 1, "2020-02-04 00:00", True),  # the Spring Festival of 2020 was prolonged to 2 February
        ("2026-02-13 12:00", 1, "2026-02-15 00:00", True),  # Saturday, 14 February 2026 is worked
        ("2026-12-30 12:00", 5, "2027-01-07 00:00", False),  # no notice of 2027 is known: Mondays to Fridays
    ],
)
def test_a_deadline_is_the_end_of_the_nth_working_day(asked: str, days: int, ends: str, *, certain: bool) -> None:
    assert deadline(_ms(asked), days) == (_ms(ends), certain)


def test_the_day_is_that_of_china_and_not_of_utc() -> None:
    late_in_utc = _ms("2026-11-17 01:00")  # still the 16th in UTC
    assert deadline(late_in_utc, 1) == deadline(_ms("2026-11-17 23:00"), 1)
