"""Early warning (domain M22): daily visits in, signals out, where a day has more than the days before explain.

A series is what one party counts of one syndrome in one division. Each day of it is judged by every detector of
`codes/detectors.yaml` that is valid on that day, with the parameters that the list has for that day.

Promised: whether a signal stands, and what it says, depends on the counts of the 28 days that end with its day and on
nothing else, not on their order, and not on repeats. The newest 28 days are open: a count that is late, corrected or
retracted is as if it had come in time, and what holds no longer is RETRACTED, what changes CORRECTED, with a higher
revision. Not promised: a verdict where a day that a detector needs is missing (a missing day is not a day without
visits), or a change to what was said of a day that is no longer open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from statistics import fmean
from typing import Any

from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import GebusError
from gebus.model.key import encode_key
from gebus.processors.detectors import cusum, ears_c1, ears_c2, ears_c3
from gebus.processors.logic import Record, State, Step, event_id

NAME = "early-warning"
DETECTORS = "detectors"
"""The code list that says how each detector decides."""
SYNDROMES = "syndromes"

LOOK_BACK = 28
"""Days that a verdict depends on, its own the last of them: 12 for C3, 21 and 7 for CUSUM."""
OPEN = 28
"""Days, the newest the last of them, whose signals follow corrections."""
KEPT = LOOK_BACK + OPEN - 1
"""Days whose counts are remembered: what the oldest open day depends on, and all after it."""
_CUSUM_DAYS = 7
_CHINA = timedelta(hours=8)

_FIRST_DAY = date(1900, 1, 1)
"""Nobody counted before it, and the days that Python knows end not long before."""

TAKEN, CORRECTED, REPEATED, LATE, REFUSED = "taken", "corrected", "repeated", "late", "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A day that stands out: its visits, and the statistic that passed the bound."""

    visits: int
    statistic: float
    bound: float


@dataclass(frozen=True, slots=True)
class Signal:
    """What was last said of one day by one detector. A retracted one repeats what it takes back."""

    revision: int
    stands: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Count:
    """The visits of one day as last told; None where they were retracted."""

    revision: int
    visits: int | None


@dataclass(frozen=True, slots=True)
class Series:
    """The state of one series: the counts of its last days, and what was said of those that are open."""

    counts: Mapping[date, Count]
    signals: Mapping[tuple[date, str], Signal]

    @classmethod
    def from_json(cls, state: State) -> Series:
        """The series that `as_json` wrote."""
        return cls(
            {date.fromisoformat(day): Count(*count) for day, count in state["counts"].items()},
            {
                (date.fromisoformat(day), detector): Signal(revision, stands, Verdict(*verdict))
                for day, detector, revision, stands, verdict in state["signals"]
            },
        )

    def as_json(self) -> State:
        """The series as JSON."""
        return {
            "counts": {day.isoformat(): [count.revision, count.visits] for day, count in self.counts.items()},
            "signals": [
                [
                    day.isoformat(), detector, signal.revision, signal.stands,
                    [signal.verdict.visits, signal.verdict.statistic, signal.verdict.bound],
                ]
                for (day, detector), signal in self.signals.items()
            ],
        }  # fmt: skip


Judge = Callable[[Sequence[int]], Verdict | None]
"""A detector with its parameters: the verdict on the last day of a run of counts, None where it does not stand out."""
Judges = Callable[[date], Mapping[str, Judge]]
"""The detectors that are valid on a day."""


def advance(series: Series, day: date, told: Count, judges: Judges) -> tuple[Series, str]:
    """The series with one more count, and what became of the count. Signals that differ from before have changed."""
    known = series.counts.get(day)
    if known is not None and told.revision <= known.revision:
        return series, REPEATED
    newest = max((day, *series.counts))
    if day <= newest - timedelta(days=KEPT):
        return series, LATE
    oldest = newest - timedelta(days=KEPT - 1)
    counts = {other: count for other, count in series.counts.items() if other >= oldest} | {day: told}
    first_open = newest - timedelta(days=OPEN - 1)
    signals = {place: signal for place, signal in series.signals.items() if place[0] >= first_open}
    last = min(newest, day + timedelta(days=LOOK_BACK - 1))
    for judged in _days(max(day, first_open), last):
        run = _run(counts, judged)
        valid = judges(judged)
        for detector in sorted({*valid, *(name for at, name in signals if at == judged)}):
            verdict = valid[detector](run) if detector in valid and run else None
            signal = _signal(signals.get((judged, detector)), verdict)
            if signal is not None:
                signals[judged, detector] = signal
    return Series(dict(sorted(counts.items())), signals), TAKEN if known is None else CORRECTED


def judges_of(codes: CodeList) -> Judges:
    """The detectors of the code list, by day. GebusError for one that is not known or lacks a parameter."""
    made = {id(entry): _judge(codes, entry) for entry in codes.entries}

    @cache
    def on(day: date) -> Mapping[str, Judge]:
        return {code: made[id(entry)] for code, entry in codes.at(day).items()}

    return on


class EarlyWarning:
    """`advance` as the logic of a processor: from a record of the feed to events of `health.signal`."""

    outcomes = (TAKEN, CORRECTED, REPEATED, LATE, REFUSED)

    def __init__(self, codes: Mapping[str, CodeList]) -> None:
        self._judges = judges_of(codes[DETECTORS])
        self._syndromes = codes[SYNDROMES]

    def key(self, record: Record) -> str:
        """The series: who counted, where, what."""
        return encode_key([record["source"], record["region"], record["syndrome"]]).decode()

    def step(self, state: State | None, record: Record) -> Step:
        """One count further, unless it is refused."""
        if not self._believed(record):
            return Step(None, (), REFUSED)
        day: date = record["day"]
        before = Series({}, {}) if state is None else Series.from_json(state)
        told = Count(record["revision"], None if record["status"] == "RETRACTED" else record["visits"])
        after, outcome = advance(before, day, told, self._judges)
        if after is before:
            return Step(None, (), outcome)
        events = [
            _event(record, place, signal)
            for place, signal in sorted(after.signals.items(), key=lambda item: item[0])
            if signal != before.signals.get(place)
        ]
        return Step(after.as_json(), events, outcome)

    def _believed(self, record: Record) -> bool:
        """Not a day that lies ahead of the instant at which it was counted, since it would close all days before it;
        not a number that is no day; not a syndrome that the list does not have: lanes check neither.
        """
        told, day = record["occurred_at"], record["day"]
        if not (isinstance(told, datetime) and isinstance(day, date)):
            return False
        return _FIRST_DAY <= day <= (told + _CHINA).date() and record["syndrome"] in self._syndromes.at(told.date())


def _event(record: Record, place: tuple[date, str], signal: Signal) -> dict[str, Any]:
    day, detector = place
    entity = f"{record['source']}/{record['region']}/{record['syndrome']}/{day}/{detector}"
    changed = "CORRECTED" if signal.revision else "ASSERTED"
    return {
        "event_id": event_id(NAME, entity, signal.revision),
        "entity_id": entity,
        "revision": signal.revision,
        "status": changed if signal.stands else "RETRACTED",
        "occurred_at": record["occurred_at"],
        "region": record["region"],
        "syndrome": record["syndrome"],
        "day": day,
        "detector": detector,
        "counted_by": record["source"],
        "visits": signal.verdict.visits,
        "statistic": signal.verdict.statistic,
        "bound": signal.verdict.bound,
    }


def _signal(before: Signal | None, verdict: Verdict | None) -> Signal | None:
    """What is to be said now; `before` itself where nothing changes."""
    if verdict is None:
        if before is None or not before.stands:
            return before
        return replace(before, revision=before.revision + 1, stands=False)
    if before is None:
        return Signal(0, True, verdict)
    if before.stands and before.verdict == verdict:
        return before
    return Signal(before.revision + 1, True, verdict)


def _run(counts: Mapping[date, Count], day: date) -> list[int]:
    """The counts of the days up to `day`, oldest first, as far back as none is missing, and at most LOOK_BACK."""
    run: list[int] = []
    while len(run) < LOOK_BACK:
        count = counts.get(day - timedelta(days=len(run)))
        if count is None or count.visits is None:
            break
        run.append(count.visits)
    return run[::-1]


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _judge(codes: CodeList, entry: CodeEntry) -> Judge:
    def number(name: str) -> float:
        value = entry.attributes.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise GebusError(
                f"codes/{codes.name}.yaml: {entry.code}, valid from {entry.valid_from}: {name} is {value!r}; "
                "allowed: a number"
            )
        return float(value)

    bounds = {"c1": ears_c1, "c2": ears_c2, "c3": ears_c3}
    if entry.code in bounds:
        bound_of, alpha, min_sigma = bounds[entry.code], number("alpha"), number("min_sigma")
        return lambda run: _above(run, bound_of(run, alpha=alpha, min_sigma=min_sigma))
    if entry.code == "cusum":
        reference, boundary, floor = number("reference"), number("boundary"), number("min_expected")
        return lambda run: _summed(run, reference, boundary, floor)
    raise GebusError(f"codes/{codes.name}.yaml: {entry.code} is no detector; allowed: {', '.join(bounds)}, cusum")


def _above(run: Sequence[int], bound: float | None) -> Verdict | None:
    return Verdict(run[-1], float(run[-1]), bound) if bound is not None and run[-1] > bound else None


def _summed(run: Sequence[int], reference: float, boundary: float, floor: float) -> Verdict | None:
    """The last days, against the mean of those before them; no verdict without all of them."""
    if len(run) < LOOK_BACK:
        return None
    expected = max(fmean(run[:-_CUSUM_DAYS]), floor)
    total = cusum(run[-_CUSUM_DAYS:], expected=expected, reference=reference)
    return Verdict(run[-1], total, boundary) if total >= boundary else None
