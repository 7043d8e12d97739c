"""A feed of two topics, one of them under another key, on the real stack: whatever comes first, and whoever dies."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.integration.lanes.joined import SLICES, JoinBed, event, pairs
from tests.integration.lanes.kit import wait_until

from gebus.lanes.supervisor import EXIT_FENCED

MakeBed = Callable[..., JoinBed]
Event = Mapping[str, Any]


@pytest.fixture
def bed(make_join_bed: MakeBed) -> JoinBed:
    return make_join_bed()


def some(side: str, count: int, *, start: int = 0, runs: int = 20) -> list[Event]:
    """So many records of one side, on so many runs."""
    return [event(side, f"{side}-{n}", carrier=f"G{n % runs}") for n in range(start, start + count)]


@pytest.mark.parametrize("first", ["trip", "seat"])
def test_either_side_may_come_first(bed: JoinBed, first: str) -> None:
    trips, seats = some("trip", 40), some("seat", 100)
    sides = {"trip": trips, "seat": seats}
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.publish_side(first, sides[first])
        (second,) = set(sides) - {first}
        bed.publish_side(second, sides[second])
        bed.wait_contacts(pairs(trips, seats))
    bed.assert_accounted()


def test_a_contact_is_told_within_a_second_while_the_other_topics_are_idle(bed: JoinBed) -> None:
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.publish_side("trip", [event("trip", "t")])
        bed.publish_side("seat", [event("seat", "first")])
        bed.wait_contacts({("t", "first")})
        started = time.monotonic()
        bed.publish_side("seat", [event("seat", "second")])
        wait_until(lambda: len(bed.contacts()) == 2, "the second contact", step=0.02)
        taken = time.monotonic() - started
        assert taken < 5, f"{taken:.2f} s: an idle topic holds the others up"


def test_while_the_lanes_stood_still_or_live_the_feed_is_the_same(bed: JoinBed) -> None:
    rng = random.Random(4)
    trips, seats = some("trip", 60), some("seat", 120)
    mixed = [("trip", one) for one in trips] + [("seat", one) for one in seats]
    rng.shuffle(mixed)
    third = len(mixed) // 3
    for side, one in mixed[:third]:
        bed.publish_side(side, [one])
    with bed.worker() as running:
        running.wait_live(SLICES)
        for side, one in mixed[third : 2 * third]:
            bed.publish_side(side, [one])
    for side, one in mixed[2 * third :]:
        bed.publish_side(side, [one])
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.wait_contacts(pairs(trips, seats))
    bed.assert_accounted()


@pytest.mark.parametrize("point", ["after_poll", "after_produce", "after_offsets", "after_commit"])
def test_a_worker_killed_in_the_middle_costs_and_repeats_nothing(bed: JoinBed, tmp_path: Path, point: str) -> None:
    marker = tmp_path / "killed"
    crash = {"GEBUS_CRASH_AT": point, "GEBUS_CRASH_COUNT": "3", "GEBUS_CRASH_MARKER": str(marker)}
    trips: list[Event] = []
    seats: list[Event] = []
    with bed.workers(2, **crash) as running:
        running.wait_live(SLICES)
        while not marker.exists():
            trips += (fresh := some("trip", 10, start=len(trips)))
            bed.publish_side("trip", fresh)
            seats += (more := some("seat", 20, start=len(seats)))
            bed.publish_side("seat", more)
        running.wait_for("ended with signal 9")
        bed.publish_side("seat", last := some("seat", 20, start=len(seats)))
        seats += last
        bed.wait_contacts(pairs(trips, seats))
        running.stop()
    bed.assert_accounted()


def test_slices_that_move_between_workers_under_load_cost_and_repeat_nothing(bed: JoinBed) -> None:
    trips: list[Event] = []
    seats: list[Event] = []

    def wave() -> None:
        sides = (("trip", trips, 20), ("seat", seats, 40))
        for side, so_far, count in sides:
            fresh = some(side, count, start=len(so_far))
            so_far.extend(fresh)
            bed.publish_side(side, fresh)

    with bed.worker(0) as first:
        first.wait_live(SLICES)
        wave()
        with bed.worker(1) as second, bed.worker(2) as third:
            while not (second.gained and third.gained):
                wave()
            wave()
            second.stop()
            wave()
        wave()
        bed.wait_contacts(pairs(trips, seats))
    bed.assert_accounted()


def test_a_schema_that_nobody_knows_yet_holds_its_slice_back_in_order(bed: JoinBed) -> None:
    """A newer version of one side's schema comes while the registry is not asked for it: nothing overtakes it."""
    trips, seats = [event("trip", "t")], [event("seat", f"s{n}") for n in range(10)]
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.publish_side("trip", trips)
        bed.publish_side("seat", seats[:3])
        bed.wait_contacts(pairs(trips, seats[:3]))
        path = next(bed.root.glob("events/*/Seat.avsc"))
        schema = json.loads(path.read_text())
        schema["fields"].append(
            {
                "name": "class", "type": ["null", "string"], "default": None, "classification": 1, "identifies": "none",
                "doc": "Which class.",
            }
        )  # fmt: skip
        newer = bed.root.parent / "newer"
        shutil.copytree(bed.root, newer)
        (newer / path.relative_to(bed.root)).write_text(json.dumps(schema))
        later = JoinBed(bed.stack, newer, bed.domain)
        later.apply()
        later.publish_side("seat", [one | {"class": "first"} for one in seats[3:6]])
        bed.publish_side("seat", seats[6:])
        bed.wait_contacts(pairs(trips, seats))
        running.wait_for("known now")
        later.close()
    assert [contact for _, contact in bed.contacts()] == [one["who"] for one in seats]


def test_a_worker_that_stood_still_beyond_its_session_leaves(bed: JoinBed) -> None:
    trips, seats = some("trip", 20), some("seat", 40)
    with bed.worker(0) as sleeper, bed.worker(1) as other:
        wait_until(lambda: sleeper.gained + other.gained >= SLICES and sleeper.gained > 0, "both have slices")
        bed.publish_side("trip", trips)
        sleeper.process.send_signal(19)
        bed.publish_side("seat", seats)
        bed.wait_contacts(pairs(trips, seats))
        sleeper.process.send_signal(18)
        assert sleeper.process.wait(30) == EXIT_FENCED
        sleeper.wait_for("silent for longer than a session")
    bed.assert_accounted()


def test_a_topic_that_is_deleted_under_a_lane_is_named(bed: JoinBed) -> None:
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.stack.admin.delete_topics([bed.topic_of("seat")])
        running.wait_for(f"{bed.topic_of('seat')}/0 stopped: Kafka has no such topic")
        assert 'gebus_blocked_partitions{reason="topic_gone"' in running.metrics()


def test_records_that_are_gone_from_the_log_stop_their_slice(bed: JoinBed) -> None:
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.publish_side("seat", some("seat", 40))
        wait_until(lambda: sum(row.counts.taken for row in bed.accounts() if not row.feed) == 40, "40 records taken")
    bed.publish_side("seat", some("seat", 40, start=40))
    bed.trim(bed.topic_of("seat"))
    with bed.worker() as running:
        running.wait_for("records that were not taken yet are gone from the log")
        assert 'gebus_blocked_partitions{reason="gap"' in running.metrics()


def test_applying_twice_changes_nothing(bed: JoinBed) -> None:
    assert f"gebus.rekey.{bed.domain}.trip.by.carrier.day.4" in bed.stack.admin.topics()
    assert "nothing to change" in bed.gebus("apply").output


def test_what_matched_nothing_comes_alone_when_its_time_is_over(make_join_bed: MakeBed) -> None:
    """Time is that of the log: records of other runs, in other slices, let it pass."""
    bed = make_join_bed(within="2s", unmatched="both")
    alone = [event("trip", "t", carrier="G1"), event("seat", "s", carrier="G2")]
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.publish_side("trip", alone[:1])
        bed.publish_side("seat", alone[1:])
        number = 0

        def told() -> bool:
            nonlocal number
            number += 1
            bed.publish_side("seat", [event("seat", f"later-{number}", carrier="G3")])
            return {("t", None), (None, "s")} <= set(bed.contacts())

        wait_until(told, "both come alone")
    bed.assert_accounted()


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_small_side_is_met_in_every_slice(make_join_bed: MakeBed, side: str) -> None:
    bed = make_join_bed(broadcast=side)
    trips, seats = some("trip", 10), some("seat", 60)
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.publish_side("trip", trips[:5])
        bed.publish_side("seat", seats)
        bed.publish_side("trip", trips[5:])
        bed.wait_contacts(pairs(trips, seats))
    bed.assert_accounted()


def test_of_a_table_the_newest_row_by_the_log_is_taken_whatever_is_fetched_first(make_join_bed: MakeBed) -> None:
    """Each trip meets the seat that was newest when it came, though both topics are read after the fact."""
    bed = make_join_bed(matches="latest", broadcast="none")
    wanted = []
    with bed.worker() as running:
        running.wait_live(SLICES)
        for number in range(5):
            bed.publish_side("seat", [event("seat", f"s{number}")])
            bed.publish_side("trip", [event("trip", f"t{number}")])
            wanted.append((f"t{number}", f"s{number}"))
            wait_until(lambda so_far=number + 1: len(bed.contacts()) >= so_far, f"{number + 1} contacts")
    assert bed.contacts() == wanted
