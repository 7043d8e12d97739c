"""The detectors against figures of R's surveillance package, and against what can be worked out by hand."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean

import pytest

from gebus.processors.detectors import BOUNDARY, cusum, ears_c1, ears_c2, ears_c3

DATA = Path(os.environ.get("DATA", Path(__file__).parents[3] / "../shared/data"))
EARS = {"C1": ears_c1, "C2": ears_c2, "C3": ears_c3}
Z_001, Z_025 = 3.0902323061678132, 1.9599639845400545
SHADAR = [1, 6, 3, 3, 15, 5, 2, 7, 4, 3, 4, 4, 3, 3, 2, 2, 4, 1, 6]
"""The first weeks of the series `shadar` of the package."""

needs_ears = pytest.mark.skipif(not (DATA / "ears").is_dir(), reason=f"no {DATA / 'ears'}; set DATA")
needs_vectors = pytest.mark.skipif(
    not (DATA / "surveillance_vectors").is_dir(), reason=f"no {DATA / 'surveillance_vectors'}; set DATA"
)


def column(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("bound", "day", "figure"),
    [
        (ears_c1, 8, 19.6038681212),
        (ears_c1, 10, 19.3749054641),
        (ears_c2, 10, 19.6038681212),
        (ears_c2, 12, 19.3749054641),
        (ears_c3, 12, 12.7547843950),
        (ears_c3, 14, 11.5966476400),
    ],
)
def test_bounds_are_those_of_r(bound: Callable[..., float | None], day: int, figure: float) -> None:
    assert bound(SHADAR[:day], min_sigma=0.5) == pytest.approx(figure, rel=1e-9)


@pytest.mark.parametrize(("bound", "first"), [(ears_c1, 8), (ears_c2, 10), (ears_c3, 12)])
def test_there_is_no_bound_before_the_first_day_with_a_baseline(bound: Callable[..., float | None], first: int) -> None:
    assert bound(SHADAR[: first - 1], min_sigma=0.5) is None
    assert bound(SHADAR[:first], min_sigma=0.5) is not None


def test_a_flat_baseline_has_the_least_deviation() -> None:
    assert ears_c1([1] * 7 + [9], min_sigma=0.5) == pytest.approx(1 + Z_001 / 2)
    assert ears_c1([1] * 7 + [9], min_sigma=0) == 1
    assert ears_c2([1] * 7 + [9, 9, 9], min_sigma=0.5) == pytest.approx(1 + Z_001 / 2)
    # The two days before lie 16 deviations above their baselines: nothing is left of the bound of the third.
    assert ears_c3([1] * 9 + [9, 9, 9], min_sigma=0.5) == 0
    assert ears_c3([1] * 12, min_sigma=0.5) == pytest.approx(1 + Z_025 / 2)
    assert ears_c3([1] * 11 + [9], min_sigma=0) == 9


def test_the_sum_grows_by_what_exceeds_the_reference_and_never_below_zero() -> None:
    assert cusum([4, 8, 12, 4], expected=4) == pytest.approx((2 - 1.04) + (4 - 1.04) - 1.04)
    assert cusum([0] * 50, expected=4) == 0
    assert cusum([0] * 50 + [12], expected=4) == pytest.approx(8 / sqrt(4) - 1.04)
    with pytest.raises(ValueError, match="more than 0"):
        cusum([1], expected=0)


@needs_ears
@pytest.mark.parametrize("floor", ["0", "0.5"])
@pytest.mark.parametrize("name", ["salmonella.agona", "shadar"])
@pytest.mark.parametrize("method", EARS)
def test_whole_series_have_the_bounds_and_alarms_of_r(method: str, name: str, floor: str) -> None:
    counts = [int(count) for count in column(DATA / f"ears/{name}_series.csv", "y")]
    path = DATA / f"ears/{name}_{method}_minsigma{floor}.csv"
    rows = list(zip(*(column(path, field) for field in ("t", "y", "upper", "alarm")), strict=True))
    assert len(rows) > 200
    for day, count, upper, alarm in rows:
        bound = EARS[method](counts[: int(day)], min_sigma=float(floor))
        assert bound == pytest.approx(float(upper), abs=1e-9)
        assert bound is not None
        assert (int(count) > bound) is (alarm == "1")


def _weeks(file: str) -> list[int]:
    return [int(count) for count in column(DATA / "surveillance_vectors" / file, "n_cases")]


def _alarms(method: str) -> list[bool]:
    return [float(alarm) == 1 for alarm in column(DATA / f"surveillance_vectors/expected/{method}_pred.csv", "alarm")]


@needs_vectors
@pytest.mark.parametrize("method", EARS)
def test_alarms_of_ears_on_the_salmonella_weeks(method: str) -> None:
    """The vectors judge each test week by all weeks before it; with alpha 0.001 for C3 too, and no least deviation."""
    before, weeks = _weeks("salmonella_train.csv"), _weeks("salmonella_test.csv")
    found = []
    for number in range(len(weeks)):
        bound = EARS[method](before + weeks[: number + 1], min_sigma=0, alpha=0.001)
        found.append(bound is not None and weeks[number] > bound)
    assert found == _alarms(f"Ears{method}")
    assert any(found)


@needs_vectors
def test_alarms_of_the_cumulative_sum_on_the_salmonella_weeks() -> None:
    """The vectors take the mean of the training weeks as expected, and begin the sum at 0 with the test weeks."""
    expected, weeks = fmean(_weeks("salmonella_train.csv")), _weeks("salmonella_test.csv")
    found = [cusum(weeks[: number + 1], expected=expected) >= BOUNDARY for number in range(len(weeks))]
    assert found == _alarms("Cusum")
    assert any(found)


def test_a_wrong_bound_is_seen() -> None:
    """The comparison above tells a baseline that is one day off."""

    def one_day_off(counts: Sequence[int]) -> float | None:
        return ears_c1(counts[:-1], min_sigma=0.5)

    assert one_day_off(SHADAR[:10]) != pytest.approx(19.3749054641, rel=1e-9)
