"""Durations are read as written, and nothing else is taken for one."""

from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from gebus.model.base import Duration, milliseconds

adapter: TypeAdapter[timedelta] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14d", timedelta(days=14)),
        ("100ms", timedelta(milliseconds=100)),
        ("2h", timedelta(hours=2)),
        ("5m", timedelta(minutes=5)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert adapter.validate_python(text) == expected


@pytest.mark.parametrize("text", ["", "14", "d", "1.5d", "-3d", "0s", "14 d", 14])
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValidationError, match="duration"):
        adapter.validate_python(text)


def test_milliseconds_are_whole() -> None:
    assert milliseconds(timedelta(days=1, microseconds=1999)) == 86_400_001
