"""When a count of today is more than the days before explain: EARS C1, C2, C3 and CUSUM, as pure functions.

The formulas are those of the R package surveillance (earsC, algo.cusum); the tests hold these functions against its
figures. `counts` is a series up to and including the day in question, oldest first, a day an entry, none left out.
`alpha` is the chance of an alarm that chance alone makes; `min_sigma` the least deviation of a baseline: where it is 0,
any rise above a flat baseline is an alarm of C1 and C2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

BASELINE = 7
"""Days whose mean and deviation a count is held against."""
ALPHA, ALPHA_C3 = 0.001, 0.025
REFERENCE, BOUNDARY = 1.04, 2.26
"""What a day may exceed the mean by, in deviations, and the sum of what exceeds it that is an alarm: R's defaults."""


def ears_c1(counts: Sequence[int], *, min_sigma: float, alpha: float = ALPHA) -> float | None:
    """The bound of C1, the mean and z(alpha) deviations of the seven days before: an alarm is a count above it.

    Not promised: a bound before day 8, where it is None.
    """
    if len(counts) < BASELINE + 1:
        return None
    mean, deviation = _baseline(counts[-BASELINE - 1 : -1], min_sigma)
    return mean + _z(alpha) * deviation


def ears_c2(counts: Sequence[int], *, min_sigma: float, alpha: float = ALPHA) -> float | None:
    """The bound of C2: as C1, of the seven days that end three days before: a slow rise is not its own baseline.

    Not promised: a bound before day 10, where it is None.
    """
    if len(counts) < BASELINE + 3:
        return None
    mean, deviation = _baseline(counts[-BASELINE - 3 : -3], min_sigma)
    return mean + _z(alpha) * deviation


def ears_c3(counts: Sequence[int], *, min_sigma: float, alpha: float = ALPHA_C3) -> float | None:
    """The bound of C3, which takes off what the two days before already lay above theirs: C2 over three days together.

    Not promised: a bound before day 12, where it is None; an alarm above a flat baseline while `min_sigma` is 0.
    """
    if len(counts) < BASELINE + 5:
        return None
    _, deviation = _baseline(counts[-BASELINE - 3 : -3], min_sigma)
    if not deviation:
        return float(max(0, counts[-1]))
    before = sum(max(0.0, _distance(counts[: len(counts) - day], min_sigma) - 1) for day in (1, 2))
    return max(0.0, counts[-1] + deviation * (_z(alpha) - before))


def cusum(counts: Sequence[int], *, expected: float, reference: float = REFERENCE) -> float:
    """The cumulative sum at the last day: how far the standardised counts have run above `reference`.

    An alarm is a sum of at least a boundary, R's being 2.26. `expected` is the mean number a day, above 0. The sum
    does not fall back after an alarm.
    """
    if expected <= 0:
        raise ValueError(f"the expected number a day is {expected}; allowed: more than 0")
    total = 0.0
    for count in counts:
        total = max(0.0, total + (count - expected) / math.sqrt(expected) - reference)
    return total


def _z(alpha: float) -> float:
    return NormalDist().inv_cdf(1 - alpha)


def _baseline(days: Sequence[int], min_sigma: float) -> tuple[float, float]:
    return fmean(days), max(stdev(days), min_sigma)


def _distance(counts: Sequence[int], min_sigma: float) -> float:
    mean, deviation = _baseline(counts[-BASELINE - 3 : -3], min_sigma)
    above = counts[-1] - mean
    if deviation:
        return above / deviation
    return math.copysign(math.inf, above) if above else 0.0
