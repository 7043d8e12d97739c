"""What is remembered beyond its memory: the same outputs, the same dump, and nothing lost by a disk that fails."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gebus_kernel import Kernel, SpillFailed, Step
from tests.unit.kernel.related import LANE as RELATED
from tests.unit.kernel.related import WITHIN, Related, seat, trip
from tests.unit.kernel.support import NOW, ONCE, SEEN, Fake, Feed, Lane, event, message, records

ROOM = 1 << 30
CACHE = 1 << 20
IDS = "market.price_report"


def ids_kernel() -> Kernel:
    return Lane([Feed(steps=[ONCE])], tables=[SEEN]).kernel()


def everything(kernel: Kernel) -> tuple[Any, ...]:
    """What a kernel says of itself, without the bytes."""
    return [row[:4] for row in kernel.state_size()], [repr(account) for account in kernel.accounts()]


def outputs(step: Step) -> tuple[Any, ...]:
    dead = [(letter.index, letter.reason) for letter in step.dead]
    return step.outputs, dead, [(blocked.index, blocked.reason) for blocked in step.blocked]


def related_batch(chance: random.Random, clock: int) -> list[Fake]:
    made = []
    for _ in range(chance.randint(1, 8)):
        kind = chance.choice([trip, seat])
        status = chance.choice(["ASSERTED", "ASSERTED", "CORRECTED", "RETRACTED"])
        number, flight = chance.randrange(30), f"F{chance.randrange(6)}"
        made.append(kind(number, time=clock, flight=flight, revision=chance.randrange(6), status=status))
    return made


def ids_batch(chance: random.Random, clock: int) -> list[Fake]:
    return [message(event(chance.randrange(300)), time=clock) for _ in range(chance.randint(1, 12))]


FORMS: dict[str, tuple[Callable[[], Kernel], Callable[[random.Random, int], list[Fake]], str]] = {
    "ids": (ids_kernel, ids_batch, IDS),
    "pairs that follow": (Related(unmatched="both", follow=True).kernel, related_batch, RELATED),
    "valid at": (Related(matches="valid-at", follow=True, unmatched="left").kernel, related_batch, RELATED),
    "reconcile": (Related(reconcile=True).kernel, lambda c, now: [m for m in related_batch(c, now)
                                                                 if m.topic().startswith("trip")], RELATED),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_outputs_state_and_dump_are_those_of_a_kernel_without_it(form: str, tmp_path: Path) -> None:
    make, batch, lane = FORMS[form]
    seed = 20
    chance, clock, spilt = random.Random(seed), NOW, 0
    plain, other = make(), make()
    other.spill_to(tmp_path, ROOM, CACHE)
    for turn in range(150):
        clock += chance.randrange(WITHIN // 6)
        messages = batch(chance, clock)
        steps = [kernel.step(messages) for kernel in (plain, other)]
        assert outputs(steps[0]) == outputs(steps[1]), (seed, turn)
        assert not messages or other.spill(0) == (0, None), "nothing moves while a transaction is open"
        if turn % 7 == 0:
            for kernel in (plain, other):
                kernel.rollback()
        else:
            assert sorted(plain.state()) == sorted(other.state())
            for kernel in (plain, other):
                kernel.commit(clock)
                kernel.advance(lane, 0, clock)
            if turn % 9 == 0:
                assert other.spill(chance.choice([0, 500, 5000]))[1] is None
                spilt = max(spilt, sum(row[3] for row in other.spilt()))
        assert everything(plain) == everything(other)
        if turn % 50 == 49:
            dump = other.dump(lane, 0)
            assert len(dump) == len(list(dump)), "and then none are left"
            again = make()
            again.spill_to(tmp_path, ROOM, CACHE)
            for number, (key, value) in enumerate(other.dump(lane, 0)):
                again.restore(lane, 0, key, value)
                if number % 5 == 0:
                    again.spill(0)
            other = again
    assert spilt > 0


def full(tmp_path: Path, room: int = ROOM) -> Kernel:
    """A kernel with two thousand ids on the disk."""
    kernel = ids_kernel()
    kernel.spill_to(tmp_path, room, CACHE)
    kernel.step([message(event(number)) for number in range(2000)])
    kernel.commit(NOW)
    return kernel


def delivered(kernel: Kernel, *numbers: int) -> int:
    return len(records(kernel.step([message(event(number)) for number in numbers])))


def test_a_disk_that_is_full_keeps_all_in_memory_and_says_how_much_is_wanted(tmp_path: Path) -> None:
    kernel = full(tmp_path, room=30_000)
    before = kernel.state_size()
    assert kernel.spill(0) == (0, "0 of the 30000 bytes of disk are used, and 48000 more are wanted")
    assert (kernel.state_size(), kernel.spilt()) == (before, [])
    assert delivered(kernel, 7, 1999, 2000) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_keeps_all_in_memory_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    kernel = full(tmp_path / "file")
    freed, reason = kernel.spill(0)
    assert freed == 0
    assert reason is not None
    assert reason.startswith(f"{tmp_path}/file could not be written: ")
    assert delivered(kernel, 7, 1999, 2000) == 1


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """As on a disk that fills up: what is written beyond so many bytes of a file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_in_the_middle_keeps_what_it_had_and_fills_no_further(tmp_path: Path) -> None:
    kernel = full(tmp_path)
    assert kernel.spill(0)[1] is None
    held = kernel.spilt()
    kernel.step([message(event(number)) for number in range(2000, 9000)])
    kernel.commit(NOW)
    files = sorted(tmp_path.rglob("*"))
    for _ in range(3):
        with files_end_at(60_000):
            freed, reason = kernel.spill(0)
        assert (freed, kernel.spilt(), sorted(tmp_path.rglob("*"))) == (0, held, files)
        assert str(reason).startswith(f"{tmp_path} could not be written: ")
    assert delivered(kernel, 7, 1999, 2000, 8999, 9000) == 1
    kernel.commit(NOW)
    freed, reason = kernel.spill(0)
    assert (freed > 100_000, reason) == (True, None)
    assert delivered(kernel, *range(9002)) == 1


def test_what_cannot_be_read_ends_the_step_and_what_was_dumped_gives_all_again(tmp_path: Path) -> None:
    kernel = full(tmp_path)
    dump = list(kernel.dump(IDS, 0))
    freed, reason = kernel.spill(0)
    assert (freed > 10_000, reason) == (True, None)
    assert delivered(kernel, 7) == 0
    kernel.commit(NOW)
    for file in tmp_path.glob("*/tables/*"):
        file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
    later = kernel.dump(IDS, 0)
    with pytest.raises(SpillFailed, match=f"^{tmp_path} could not be read: "):
        list(later)
    with pytest.raises(SpillFailed, match=f"^{tmp_path} could not be read: "):
        kernel.step([message(event(number)) for number in range(2000, 4000)])
    kernel.rollback()
    with pytest.raises(SpillFailed):
        kernel.tick(IDS, 0, NOW)
    assert kernel.spill(0) == (0, None), "nothing more is trusted to it"
    again = ids_kernel()
    for key, value in dump:
        again.restore(IDS, 0, key, value)
    assert delivered(again, *range(2001)) == 1


def test_a_dump_outlives_its_slice_and_then_nothing_is_left_on_the_disk(tmp_path: Path) -> None:
    kernel = full(tmp_path)
    kernel.spill(0)
    assert [row[:3] for row in kernel.spilt()] == [(IDS, 0, SEEN["name"])]
    assert kernel.state_size()[0][3] == 2000
    dump = kernel.dump(IDS, 0)
    kernel.close(IDS, 0)
    assert kernel.spilt() == []
    again = ids_kernel()
    for key, value in dump:
        again.restore(IDS, 0, key, value)
    assert delivered(again, *range(2001)) == 1
    assert list(tmp_path.iterdir()) == []
