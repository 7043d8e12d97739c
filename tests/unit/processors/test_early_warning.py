"""Early warning as a pure function: counts in any order, corrected, retracted, late, repeated; signals out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gebus.catalogue import EventValidator, load
from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import GebusError
from gebus.processors import PROCESSORS
from gebus.processors.early_warning import KEPT, LOOK_BACK, OPEN, EarlyWarning, judges_of
from gebus.processors.logic import event_id

ROOT = Path(__file__).parents[3]
CATALOGUE = load(ROOT / "schemas")
FIRST = date(2020, 1, 1)
WARNING = EarlyWarning(CATALOGUE.codes)
QUIET = [2, 3, 1, 2, 4, 2, 3] * 4


def count(number: int, visits: int, revision: int = 0, **also: Any) -> dict[str, Any]:
    """The visits of the day `number` days after the first, as the feed's decoder gives them."""
    day = FIRST + timedelta(days=number)
    return {
        "event_id": f"v-{number}-{revision}", "entity_id": f"420106/fever/{day}", "revision": revision,
        "status": "CORRECTED" if revision else "ASSERTED",
        "occurred_at": datetime(day.year, day.month, day.day, 15, tzinfo=UTC) + timedelta(hours=revision),
        "published_at": datetime(2020, 6, 1, tzinfo=UTC), "source": "yiyuan", "region": "420106",
        "syndrome": "fever", "day": day, "visits": visits, **also,
    }  # fmt: skip


def series(visits: Sequence[int]) -> list[dict[str, Any]]:
    return [count(number, one) for number, one in enumerate(visits)]


class Run:
    """The processor without Kafka: state through JSON, as the table keeps it."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.events: list[Mapping[str, Any]] = []

    def take(self, record: Mapping[str, Any]) -> str:
        key = WARNING.key(record)
        before = self.states.get(key)
        step = WARNING.step(None if before is None else json.loads(before), record)
        if step.state is not None:
            self.states[key] = json.dumps(step.state)
        self.events += step.events
        assert step.outcome in WARNING.outcomes
        return step.outcome

    def all(self, records: Iterable[Mapping[str, Any]]) -> Run:
        for record in records:
            self.take(record)
        return self

    def last(self) -> dict[str, Mapping[str, Any]]:
        """The newest revision of each signal."""
        newest: dict[str, Mapping[str, Any]] = {}
        for event in self.events:
            before = newest.get(event["entity_id"])
            assert event["revision"] == (0 if before is None else before["revision"] + 1)
            newest[event["entity_id"]] = event
        return newest

    def standing(self) -> dict[tuple[date, str], tuple[int, float, float]]:
        return {
            (event["day"], event["detector"]): (event["visits"], event["statistic"], event["bound"])
            for event in self.last().values()
            if event["status"] != "RETRACTED"
        }


def test_a_day_that_stands_out_is_a_signal_of_each_detector_that_sees_it() -> None:
    run = Run().all(series([*QUIET, 30, 12]))
    day, next_day = FIRST + timedelta(days=28), FIRST + timedelta(days=29)
    by_day = {at: {detector for other, detector in run.standing() if other == at} for at in (day, next_day)}
    # C3 looks at what the two days before were above theirs; C1's baseline now has the 30 in it.
    assert by_day == {day: {"c1", "c2", "cusum"}, next_day: {"c2", "c3", "cusum"}}
    first = next(event for event in run.events if (event["day"], event["detector"]) == (day, "c1"))
    assert (first["status"], first["revision"]) == ("ASSERTED", 0)
    assert first["visits"] == first["statistic"] == 30
    assert first["bound"] == pytest.approx(fmean(QUIET[-7:]) + 3.0902323061678132 * stdev(QUIET[-7:]))


def test_every_event_passes_its_contract() -> None:
    run = Run().all([*series([*QUIET, 30, 2, 40]), count(28, 2, 1), count(30, 41, 1)])
    assert {event["status"] for event in run.events} == {"ASSERTED", "CORRECTED", "RETRACTED"}
    topic = "health.signal"
    validator = EventValidator(CATALOGUE.topics[topic], CATALOGUE.events[topic], CATALOGUE.codes)
    for event in run.events:
        validator.check({**event, "source": "yujing", "published_at": datetime(2020, 6, 1, tzinfo=UTC)})


def test_a_corrected_count_retracts_what_holds_no_longer_and_corrects_what_changes() -> None:
    run = Run().all(series([*QUIET, 30]))
    day = FIRST + timedelta(days=28)
    raised = {place for place in run.standing() if place[0] == day}
    assert raised
    assert run.take(count(28, 31, 1)) == "corrected"
    assert {event["status"] for event in run.events[-len(raised) :]} == {"CORRECTED"}
    assert run.standing()[day, "c1"][:2] == (31, 31.0)
    run.take(count(28, 2, 2))
    assert {event["status"] for event in run.events[-len(raised) :]} == {"RETRACTED"}
    assert {event["revision"] for event in run.events[-len(raised) :]} == {2}
    assert not [place for place in run.standing() if place[0] == day]
    run.take(count(28, 30, 3))
    assert {event["revision"] for event in run.events[-len(raised) :]} == {3}
    assert {event["status"] for event in run.events[-len(raised) :]} == {"CORRECTED"}


def test_a_count_that_is_retracted_takes_its_signals_with_it() -> None:
    run = Run().all(series([*QUIET, 30]))
    run.take(count(28, 30, 1, status="RETRACTED"))
    assert not [place for place in run.standing() if place[0] == FIRST + timedelta(days=28)]


def test_a_missing_day_makes_no_verdict_until_it_comes() -> None:
    records = series([*QUIET, 30])
    run = Run().all(records[:27] + records[28:])
    assert not [place for place in run.standing() if place[0] == FIRST + timedelta(days=28)]
    run.take(records[27])
    assert run.standing() == Run().all(records).standing()


def test_a_correction_of_the_baseline_moves_the_bound_of_later_days() -> None:
    run = Run().all(series([*QUIET, 9]))
    day = FIRST + timedelta(days=28)
    assert (day, "c1") in run.standing()
    run.take(count(27, 9, 1))
    assert (day, "c1") not in run.standing()


def test_repeats_and_lower_revisions_add_nothing() -> None:
    records = [*series([*QUIET, 30]), count(28, 31, 2)]
    run = Run().all(records)
    events, states = list(run.events), dict(run.states)
    assert {run.take(record) for record in [*records, count(28, 99, 1)]} == {"repeated"}
    assert (run.events, run.states) == (events, states)


def test_days_that_are_closed_change_nothing() -> None:
    run = Run().all(series(QUIET * 3))
    newest, events = len(QUIET) * 3 - 1, len(run.events)
    assert run.take(count(newest - KEPT, 99, 1)) == "late"
    assert run.take(count(newest - KEPT + 1, 99, 1)) == "corrected"
    assert all(event["day"] > FIRST + timedelta(days=newest - OPEN) for event in run.events[events:])


def test_state_does_not_grow_with_time() -> None:
    run = Run().all(series(QUIET * 3))
    size = len(next(iter(run.states.values())))
    run = Run().all(series(QUIET * 9))
    assert len(next(iter(run.states.values()))) <= size + 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"day": FIRST + timedelta(days=1)},
        {"day": date(1899, 12, 31)},
        {"day": 2**31 - 1},
        {"occurred_at": 2**62},
        {"syndrome": "invented"},
    ],
    ids=["ahead", "long ago", "no day", "no instant", "no syndrome"],
)
def test_what_cannot_be_is_refused_and_changes_nothing(wrong: dict[str, Any]) -> None:
    step = WARNING.step(None, {**count(0, 3), **wrong})
    assert (step.outcome, step.state, list(step.events)) == ("refused", None, [])


def test_the_day_ends_in_china() -> None:
    told = count(0, 3, occurred_at=datetime(2019, 12, 31, 16, tzinfo=UTC))
    assert WARNING.step(None, told).outcome == "taken"
    told = count(0, 3, occurred_at=datetime(2019, 12, 31, 15, 59, tzinfo=UTC))
    assert WARNING.step(None, told).outcome == "refused"


def test_series_stand_alone() -> None:
    keys = {
        WARNING.key(count(0, 1)), WARNING.key(count(0, 1, region="420107")),
        WARNING.key(count(0, 1, syndrome="diarrhoea")), WARNING.key(count(0, 1, source="other")),
    }  # fmt: skip
    assert len(keys) == 4


def test_a_day_is_judged_by_the_parameters_of_its_date() -> None:
    change = FIRST + timedelta(days=8)
    attributes = {"alpha": 0.001, "min_sigma": 0.5, "reference": None, "boundary": None, "min_expected": None}
    codes = CodeList(
        "detectors",
        "a test",
        (
            CodeEntry("c1", None, change, attributes),
            CodeEntry("c1", change, None, {**attributes, "min_sigma": 50}),
        ),
    )
    judges = judges_of(codes)
    assert judges(change - timedelta(days=1))["c1"]([1] * 7 + [9]) is not None
    assert judges(change)["c1"]([1] * 7 + [9]) is None


@pytest.mark.parametrize(
    ("code", "attributes", "says"),
    [
        ("c4", {}, "codes/detectors.yaml: c4 is no detector; allowed: c1, c2, c3, cusum"),
        ("c1", {"alpha": 0.001, "min_sigma": None}, "c1, valid from None: min_sigma is None; allowed: a number"),
        ("cusum", {"reference": True}, "cusum, valid from None: reference is True; allowed: a number"),
    ],
)
def test_a_list_that_no_detector_can_use_is_refused(code: str, attributes: dict[str, Any], says: str) -> None:
    with pytest.raises(GebusError, match=says):
        judges_of(CodeList("detectors", "a test", (CodeEntry(code, None, None, attributes),)))


def test_ids_come_from_the_name_and_what_is_said_alone() -> None:
    assert event_id("early-warning", "yiyuan/420106/fever/2020-01-29/c1", 0) == "8fb9f6fffd23069c38075eda832bb033"
    assert event_id("p", "a|b") != event_id("p", "a", "b")
    first, again = (Run().all(series([*QUIET, 30])).events for _ in range(2))
    assert first == again
    assert len({event["event_id"] for event in first}) == len(first)


def test_every_processor_of_the_catalogue_has_a_program() -> None:
    assert set(CATALOGUE.processors) == set(PROCESSORS)


VISITS = st.lists(st.integers(0, 12), min_size=8, max_size=OPEN)


@settings(deadline=None)  # a slow machine is no failure
@given(VISITS, st.data())
def test_neither_order_nor_repeats_nor_corrections_on_the_way_change_what_stands(
    visits: list[int], data: st.DataObject
) -> None:
    """All days open: what stands in the end is what the final counts alone, in order, would have made."""
    corrected = data.draw(st.lists(st.integers(0, len(visits) - 1), max_size=6, unique=True))
    records = series(visits)
    final = list(visits)
    for number in corrected:
        final[number] = data.draw(st.integers(0, 40))
        records.append(count(number, final[number], 1))
    records += data.draw(st.lists(st.sampled_from(records), max_size=5))
    shuffled = data.draw(st.permutations(records))
    assert Run().all(shuffled).standing() == Run().all(series(final)).standing()


@settings(deadline=None)  # a slow machine is no failure
@given(VISITS, st.data())
def test_a_crash_between_two_records_changes_nothing(visits: list[int], data: st.DataObject) -> None:
    """At least once: the state is behind the events by one record at most, and the record comes again."""
    records = series(visits)
    at = data.draw(st.integers(0, len(records) - 1))
    whole = Run().all(records)
    crashed = Run().all(records[:at])
    behind = dict(crashed.states)
    crashed.take(records[at])
    crashed.states = behind
    crashed.all(records[at:])
    seen = {event["event_id"]: event for event in crashed.events}
    assert list(seen.values()) == whole.events


def test_a_verdict_looks_back_no_further_than_it_says() -> None:
    """Whatever lies before makes no difference to a day's signals."""
    tail = [*QUIET, 30][-LOOK_BACK:]
    day = FIRST + timedelta(days=LOOK_BACK + 9)
    ends = [
        {place: said for place, said in Run().all(series([first] * 10 + tail)).standing().items() if place[0] == day}
        for first in (0, 50)
    ]
    assert ends[0] == ends[1] != {}
