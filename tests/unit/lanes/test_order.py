"""The merge: one order, however the records of several topics come in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Message

from gebus.lanes.order import End, Merge
from gebus.lanes.places import Place

A, B, C = Place("a", 0), Place("b", 0), Place("c", 0)
MANY = 1_000_000


def record(place: Place, offset: int, time: int, size: int = 0) -> Message:
    return Message(topic=place.topic, partition=0, offset=offset, value=bytes(size), timestamp=(2, time))


def records(place: Place, *times: int, start: int = 0) -> list[Message]:
    return [record(place, start + number, time) for number, time in enumerate(times)]


def told(messages: Iterable[Message]) -> list[tuple[str, int]]:
    return [(message.topic(), message.offset()) for message in messages]


def begun(*places: Place, at: int = 0) -> Merge:
    return Merge(dict.fromkeys(places, at))


def test_a_record_waits_until_every_other_input_has_passed_it() -> None:
    merge = begun(A, B)
    merge.add(A, records(A, 10, 20, 30))
    assert merge.release(MANY) == []
    merge.add(B, records(B, 15))
    assert told(merge.release(MANY)) == [("a", 0), ("b", 0)]
    merge.add(B, records(B, 40, start=1))
    assert told(merge.release(MANY)) == [("a", 1), ("a", 2)], "the input that has more at 30 or later is the first"
    assert told(merge.release(MANY)) == []


def test_of_the_same_time_the_topic_decides_and_then_the_offset() -> None:
    merge = begun(A, B)
    merge.add(B, records(B, 10, 10))
    merge.add(A, records(A, 10))
    assert told(merge.release(MANY)) == [("a", 0)], "a may have more at 10, and they come before those of b"
    merge.add(A, records(A, 11, start=1))
    assert told(merge.release(MANY)) == [("b", 0), ("b", 1)]


def test_an_input_read_to_its_end_holds_nobody_up() -> None:
    merge = begun(A, B)
    merge.add(A, records(A, 10, 11))
    assert merge.unsure() == [B]
    merge.ended(B, End(0, 12))
    assert told(merge.release(MANY)) == [("a", 0), ("a", 1)]
    assert merge.unsure() == []


def test_an_end_counts_once_the_input_is_read_up_to_it() -> None:
    merge = begun(A, B)
    merge.add(A, records(A, 10, 20))
    merge.ended(B, End(3, 21))
    assert merge.release(MANY) == []
    assert merge.unsure() == [], "an answer is there, and counts as soon as its records have come"
    merge.add(B, records(B, 12))
    assert told(merge.release(MANY)) == [("a", 0), ("b", 0)]
    merge.read_to(B, 3)  # what lies between are marks of transactions
    assert told(merge.release(MANY)) == [("a", 1)]


def test_nothing_is_known_of_an_input_that_was_never_read() -> None:
    merge = Merge({A: 0, B: -1})
    merge.add(A, records(A, 10))
    assert merge.unsure() == [], "nobody knows from where it would be read to its end"
    assert merge.clock_ms == -1
    merge.read_to(B, 0)
    assert merge.unsure() == [B]


def test_an_end_that_may_hold_records_of_the_same_millisecond_does_not_release_them() -> None:
    merge = begun(A, B)
    merge.add(B, records(B, 10))
    merge.ended(A, End(0, 10))
    assert merge.release(MANY) == [], "a record of a at 10 would come before"
    assert merge.unsure() == [A]
    merge.ended(A, End(0, 11))
    assert told(merge.release(MANY)) == [("b", 0)]


@pytest.mark.parametrize("times", [[*range(50)], [7] * 50, [1, 1, 2, 2, 2, 2, 2, 2, 2, 3]])
def test_no_more_are_released_than_were_asked_for_of_all_inputs_together(times: list[int]) -> None:
    def filled() -> Merge:
        merge = begun(A, B, C)
        for place in (A, B, C):
            merge.add(place, records(place, *times))
            merge.finished(place)
        return merge

    merge, found, sizes = filled(), [], []
    while batch := merge.release(7):
        found += batch
        sizes.append(len(batch))
    assert told(found) == told(filled().release(MANY))
    assert set(sizes[:-1]) == {7}


def test_the_position_is_the_first_record_that_was_not_released() -> None:
    merge = begun(A, B)
    assert merge.position(A) == -1
    merge.add(A, records(A, 10, 20, start=5))
    merge.add(B, records(B, 15))
    assert merge.position(A) == 5
    merge.release(MANY)
    assert (merge.position(A), merge.position(B)) == (6, 1)


def test_what_is_given_back_is_released_again_in_the_same_order() -> None:
    merge = begun(A, B)
    merge.add(A, records(A, 10, 20, 30))
    merge.add(B, records(B, 15, 25, 35))
    first = merge.release(MANY)
    merge.give_back(first[2:])
    assert (merge.position(A), merge.position(B)) == (1, 1)
    assert merge.clock_ms == 20
    assert told(merge.release(MANY)) == told(first[2:])
    assert (merge.position(A), merge.position(B)) == (3, 2)


def test_a_finished_input_holds_nobody_up_and_is_neither_paused_nor_resumed() -> None:
    merge = begun(A, B)
    merge.add(A, records(A, 10, 20))
    merge.add(B, records(B, *range(15, 26)))
    assert merge.too_far(10, MANY) == [B]
    merge.finished(A)
    merge.finished(B)
    assert [message.timestamp()[1] for message in merge.release(MANY)] == [10, *range(15, 21), 20, *range(21, 26)]
    assert merge.caught_up(10, MANY) == []


def test_an_input_that_runs_ahead_is_paused_once_and_resumed_well_below_the_bound() -> None:
    merge = begun(A, B)
    merge.add(A, records(A, *range(101)))
    assert (merge.too_far(100, MANY), merge.too_far(100, MANY)) == ([A], [])
    merge.add(B, records(B, 50))
    merge.release(MANY)
    assert merge.caught_up(100, MANY) == [], "50 are left"
    merge.add(B, records(B, 80, start=1))
    merge.release(MANY)
    assert (merge.caught_up(100, MANY), merge.caught_up(100, MANY)) == ([A], [])


def test_large_records_count_by_their_size() -> None:
    merge = begun(A, B)
    merge.add(A, [record(A, 0, 1, 600), record(A, 1, 2, 600)])
    assert merge.too_far(MANY, 1_000) == [A]
    merge.ended(B, End(0, 3))
    merge.release(MANY)
    assert merge.caught_up(MANY, 1_000) == [A]


def test_a_clock_that_was_set_back_changes_no_partitions_own_order(caplog: pytest.LogCaptureFixture) -> None:
    merge = begun(A, B)
    merge.add(A, records(A, 10, 30, 20, 40))
    assert not caplog.records
    merge.add(A, records(A, 35, 50, start=4))
    assert "a/0@4: appended 5 ms before records that were taken already" in caplog.text
    merge.add(B, records(B, 25, 60))
    found = told(merge.release(MANY))
    assert [offset for topic, offset in found if topic == "a"] == [0, 1, 2, 3, 4, 5]
    assert found.index(("b", 0)) == 1


@dataclass
class Log:
    """Partitions that grow while they are read, some records in transactions that are decided later."""

    seed: random.Random
    times: dict[Place, list[int]] = field(default_factory=lambda: {A: [], B: [], C: []})
    open_from: dict[Place, int] = field(default_factory=dict)
    now: int = 0

    def grow(self) -> None:
        self.now += self.seed.choice([0, 0, 1, 3])
        place = self.seed.choice([A, A, A, B, C])
        if place is not A and place not in self.open_from and self.seed.random() < 0.3:
            self.open_from[place] = len(self.times[place])
        self.times[place] += [self.now] * self.seed.randint(1, 3)

    def decide(self) -> None:
        self.open_from.clear()

    def stable(self, place: Place) -> int:
        return self.open_from.get(place, len(self.times[place]))

    def in_order(self) -> list[tuple[str, int]]:
        all_ = [(time, place, offset) for place, times in self.times.items() for offset, time in enumerate(times)]
        return [(place.topic, offset) for _, place, offset in sorted(all_)]


@pytest.mark.parametrize("seed", range(60))
def test_live_and_afterwards_the_order_is_the_same(seed: int) -> None:
    """Records are released while the log grows, by ends that are told late; nothing that comes later comes before."""
    rng = random.Random(seed)
    log, merge, released = Log(rng), begun(A, B, C), []
    at = dict.fromkeys((A, B, C), 0)
    newest, answers = -1, []

    def read(place: Place, most: int) -> None:
        nonlocal newest
        batch = log.times[place][at[place] : min(log.stable(place), at[place] + most)]
        if batch:
            merge.add(place, records(place, *batch, start=at[place]))
            at[place] += len(batch)
            newest = max(newest, batch[-1])

    for _ in range(300):
        act = rng.randrange(6)
        if act == 0:
            log.grow()
        elif act == 1:
            read(rng.choice([A, B, C]), rng.randint(1, 5))
        elif act == 2 and merge.unsure():
            # The broker's clock is at least that of the newest record that was read; later if time has passed since.
            floor = newest + (log.now > newest)
            answers.append([(place, End(len(log.times[place]), floor)) for place in merge.unsure()])
        elif act == 3 and answers:
            for place, end in answers.pop(0):
                merge.ended(place, end)
        elif act == 4 and rng.random() < 0.2:
            log.decide()
        else:
            released += _some(merge, rng)
    log.decide()
    for place in at:
        read(place, MANY)
        merge.ended(place, End(len(log.times[place]), log.now + 1))
    released += merge.release(MANY)
    assert told(released) == log.in_order()


def _some(merge: Merge, rng: random.Random) -> Sequence[Message]:
    """Release some, and now and then give the last of them back, as a blocked record does."""
    found = merge.release(rng.choice([2, MANY]))
    keep = rng.randint(0, len(found)) if rng.random() < 0.2 else len(found)
    if keep < len(found):
        merge.give_back(found[keep:])
    return found[:keep]
