"""Times as people write them."""

from __future__ import annotations

import pytest

from gebus.cli._when import when_ms
from gebus.model.errors import GebusError

NOW = 1_795_000_000_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30d", NOW + 30 * 86_400_000),
        ("2027-01-01", 1_798_732_800_000),
        ("2027-01-01T00:00:00+00:00", 1_798_761_600_000),
    ],
)
def test_a_time_is_a_duration_a_day_of_china_or_an_instant(text: str, at: int) -> None:
    assert when_ms(text, NOW) == at


@pytest.mark.parametrize("text", ["", "soon", "2027-13-01", "2027-01-01T00:00:00", "0d"])
def test_anything_else_is_refused_with_what_is_meant(text: str) -> None:
    with pytest.raises(GebusError, match="write a day"):
        when_ms(text, NOW)
