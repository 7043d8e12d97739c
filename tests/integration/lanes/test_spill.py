"""State that is larger than its memory, on the real stack: the same results, over kills, full disks and broken ones."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from tests.integration.lanes.joined import SLICES, JoinBed, event, pairs
from tests.integration.lanes.kit import Bed, Running, wait_until
from tests.integration.lanes.test_state import EAGER, ids, kill, numbered, snapshots

SMALL = ("--state-bytes", "200000")
ROOM = ("--spill-bytes", "50000000")


def on_disk(running: Running) -> float:
    """How many bytes of state lie on the disk."""
    found = re.findall(r"^gebus_state_spilt_bytes\{.*\} (\S+)$", running.metrics(), re.MULTILINE)
    return sum(map(float, found))


def test_ids_beyond_the_memory_are_known_on_the_disk_and_after_a_kill(bed: Bed) -> None:
    bed.publish(numbered(0, 40))
    with bed.worker(options=(*SMALL, *ROOM, *EAGER)) as running:
        running.wait_live()
        bed.publish(numbered(40, 8000))
        running.wait_for(" bytes of state went to the disk")
        wait_until(lambda: bed.taken() == 8000, "8000 records taken")
        wait_until(lambda: on_disk(running) > 0, "bytes on the disk")
        bed.publish(numbered(0, 4000))
        wait_until(lambda: bed.taken() == 12_000, "12000 records taken")
        wait_until(lambda: all(path.exists() for path in snapshots(bed)), "four snapshots")
        kill(running)
        left = bed.stack.home / "state/spill" / str(running.process.pid)
        assert left.is_dir()
    bed.publish(numbered(4000, 8100))
    with bed.worker(options=(*SMALL, *ROOM)) as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 16_100, "16100 records taken")
        wait_until(lambda: on_disk(running) > 0, "bytes on the disk")
        assert not left.exists()
        assert "no input is taken" not in running.said
        own = bed.stack.home / "state/spill" / str(running.process.pid)
        assert own.is_dir()
        running.stop()
        assert not own.exists()
    assert sorted(bed.ids("all")) == ids(0, 8100)
    assert all(row.adds_up for row in bed.accounts())


def test_a_join_finds_on_the_disk_what_waited(make_join_bed: Callable[..., JoinBed]) -> None:
    bed = make_join_bed()
    long = "e" * 200
    seats = [event("seat", f"s-{n}", entity=f"{long}{n}", carrier=f"G{n % 500}") for n in range(3000)]
    trips = [event("trip", f"t-{number}", carrier=f"G{number}") for number in range(500)]
    options = ("--state-bytes", "900000", *ROOM)
    bed.publish_side("seat", seats)
    with bed.worker(options=(*options, *EAGER)) as running:
        running.wait_live(SLICES)
        running.wait_for(" bytes of state went to the disk")
        wait_until(lambda: on_disk(running) > 0, "bytes on the disk")
        bed.publish_side("trip", trips[:250])
        bed.wait_contacts(pairs(trips[:250], seats))
        kill(running)
    with bed.worker(options=options) as running:
        running.wait_live(SLICES)
        bed.publish_side("trip", trips[250:])
        bed.wait_contacts(pairs(trips, seats))
        wait_until(lambda: on_disk(running) > 0, "bytes on the disk")
    bed.assert_accounted()


def test_at_the_end_of_both_budgets_it_says_so_and_goes_on_with_more(bed: Bed) -> None:
    bed.publish(numbered(0, 40))
    with bed.worker(options=(*SMALL, "--spill-bytes", "1000")) as running:
        running.wait_live()
        bed.publish(numbered(40, 12_000))
        running.wait_for("the spill takes no more of the state: ")
        running.wait_for("and the budget is 175,000: no input is taken")
        assert " of the 1000 bytes of disk are used, and " in running.said
        assert "gebus_input_stopped 1.0" in running.metrics()
    with bed.worker(options=(*SMALL, *ROOM)) as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 12_000, "all records taken")
    assert sorted(bed.ids("all")) == ids(0, 12_000)


def test_a_disk_that_breaks_costs_a_session_and_no_record(bed: Bed) -> None:
    bed.publish(numbered(0, 40))
    with bed.worker(options=(*SMALL, *ROOM)) as running:
        running.wait_live()
        bed.publish(numbered(40, 8000))
        wait_until(lambda: bed.taken() == 8000, "8000 records taken")
        wait_until(lambda: on_disk(running) > 0, "bytes on the disk")
        for file in (bed.stack.home / "state/spill" / str(running.process.pid)).glob("*/tables/*"):
            with file.open("r+b") as broken:
                os.pwrite(broken.fileno(), bytes(file.stat().st_size), 0)
        bed.publish(numbered(0, 8100))
        running.wait_for("the state that went to the disk cannot be read (")
        wait_until(lambda: bed.taken() == 16_100, "16100 records taken")
    assert sorted(bed.ids("all")) == ids(0, 8100)
