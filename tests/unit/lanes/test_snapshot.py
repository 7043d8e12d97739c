"""A snapshot as a file: what goes in comes out, and nothing else does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.lanes.conftest import lane_plan

from gebus.lanes.places import Slice
from gebus.lanes.snapshot import (
    Header,
    SnapshotChain,
    SnapshotReader,
    SnapshotUnfit,
    delete_unfit,
    snapshot_path,
    tail_path,
    tidy,
    write_snapshot,
)
from gebus.plan import TablePlan

OWNED = Slice("a.b", 3)
HEADER = Header(OWNED, "id-1", 42, ("once",))
RECORDS = [(b"account", b"{}"), (b"table/once", bytes(range(256)) * 40), (b"", b"")]


def read(path: Path) -> list[tuple[bytes, bytes]]:
    reader, found = SnapshotReader(path), []
    try:
        while (record := reader.next()) is not None:
            found.append(record)
        assert reader.read == reader.size
    finally:
        reader.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    size = write_snapshot(tmp_path, HEADER, RECORDS)
    path = snapshot_path(tmp_path, OWNED)
    assert path.stat().st_size == size
    return path


def test_what_was_written_is_read(path: Path) -> None:
    assert read(path) == RECORDS
    reader = SnapshotReader(path)
    reader.close()
    assert reader.header == HEADER
    reader.require(OWNED, "id-1", ["once"])


def test_only_its_owner_may_read_it_and_nothing_is_left_beside(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


TAIL = replace(HEADER, position=50, begins=42)


def chain(directory: Path) -> SnapshotChain:
    found = SnapshotChain(directory, OWNED)
    found.open("id-1", ["once"])
    return found


@pytest.mark.usefixtures("path")
def test_tails_go_on_where_the_files_before_end(tmp_path: Path) -> None:
    for header in (TAIL, replace(TAIL, position=61, begins=50), replace(TAIL, position=90, begins=70)):
        write_snapshot(tmp_path, header, [(b"k", str(header.position).encode())])
    found = chain(tmp_path)
    records = list(iter(found.next, None))
    assert (records, found.position, found.files) == ([*RECORDS, (b"k", b"50"), (b"k", b"61")], 61, 3)
    assert found.read == found.size
    found.close()


def test_a_new_snapshot_takes_the_place_of_what_it_holds(path: Path, tmp_path: Path) -> None:
    for begins in (42, 50):
        write_snapshot(tmp_path, replace(TAIL, position=begins + 8, begins=begins), [])
    write_snapshot(tmp_path, replace(HEADER, position=50), RECORDS)
    assert sorted(one.name for one in path.parent.iterdir()) == ["3.50.tail", "3.snapshot"]
    found = chain(tmp_path)
    assert (found.position, found.files) == (58, 2)
    found.close()


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (replace(TAIL, topic_id="id-2"), "another topic"),
        (replace(TAIL, position=42), "it goes from offset 42 to 42"),
        (replace(TAIL, begins=41), "it goes from offset 41 to 50"),
        (replace(TAIL, begins=None), "it goes from offset None to 50"),
    ],
)
@pytest.mark.usefixtures("path")
def test_a_tail_of_something_else_is_refused_by_name(tmp_path: Path, header: Header, says: str) -> None:
    write_snapshot(tmp_path / "other", header, [])
    (written,) = (tmp_path / "other" / "a.b").iterdir()
    written.rename(tail_path(tmp_path, OWNED, 42))
    found = SnapshotChain(tmp_path, OWNED)
    with pytest.raises(SnapshotUnfit, match=says):
        found.open("id-1", ["once"])
    assert found.path == tail_path(tmp_path, OWNED, 42)


@pytest.mark.usefixtures("path")
def test_a_cut_tail_is_found_after_what_lies_before_it(tmp_path: Path) -> None:
    write_snapshot(tmp_path, TAIL, RECORDS)
    tail = tail_path(tmp_path, OWNED, 42)
    tail.write_bytes(tail.read_bytes()[:-1])
    found = chain(tmp_path)
    with pytest.raises(SnapshotUnfit, match="cut short"):
        list(iter(found.next, None))
    assert found.path == tail
    found.close()


def test_an_empty_state_is_a_snapshot_too(tmp_path: Path) -> None:
    write_snapshot(tmp_path, HEADER, [])
    assert read(snapshot_path(tmp_path, OWNED)) == []


def test_every_flipped_byte_is_found(path: Path) -> None:
    good = path.read_bytes()
    for at in {*range(0, len(good), 97), *range(300), len(good) - 33, len(good) - 1}:
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(SnapshotUnfit):
            read(path)


def test_every_cut_is_found(path: Path) -> None:
    good = path.read_bytes()
    for length in {0, 1, 14, *range(15, len(good), 61), len(good) - 1}:
        path.write_bytes(good[:length])
        with pytest.raises(SnapshotUnfit, match="cut short"):
            read(path)


def test_what_follows_the_digest_is_found(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(SnapshotUnfit, match="more bytes follow"):
        read(path)


def test_another_version_of_the_format_is_named(path: Path) -> None:
    good = path.read_bytes()
    path.write_bytes(good[:15] + b"\x09\x00" + good[17:])
    with pytest.raises(SnapshotUnfit, match="its format has version 9; this gebus reads 1"):
        SnapshotReader(path)


@pytest.mark.parametrize(
    ("owned", "topic", "tables", "says"),
    [
        (Slice("a.c", 3), "id-1", ["once"], "it is of slice a.b/3"),
        (Slice("a.b", 2), "id-1", ["once"], "it is of slice a.b/3"),
        (OWNED, "id-2", ["once"], "another topic of the name gebus.state.a.b"),
        (OWNED, "id-1", ["once", "twice"], "while the lane had no table twice"),
    ],
)
def test_a_snapshot_of_something_else_is_refused(
    path: Path, owned: Slice, topic: str, tables: list[str], says: str
) -> None:
    reader = SnapshotReader(path)
    reader.close()
    with pytest.raises(SnapshotUnfit, match=says):
        reader.require(owned, topic, tables)


def test_an_old_snapshot_outlives_a_write_that_failed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_snapshot(path.parent.parent, HEADER, [(b"k", b"v")])
    assert read(path) == RECORDS
    assert list(path.parent.iterdir()) == [path]


def test_what_no_lane_needs_any_more_is_deleted(tmp_path: Path) -> None:
    now_ms, day = 1_700_000_000_000, 86_400_000
    plan = replace(lane_plan(), tables=(TablePlan("once", 0, ("event_id",), 8 * day),))
    ages = {
        "0.snapshot": 9 * day - 1,
        "1.snapshot": 9 * day + 1000,
        "2.unfit": day + 1000,
        "3.unfit": day - 1000,
        "4.snapshot": 12 * day,
        "4.17.tail": 10 * day,
        "4.19.tail": 0,
        "5.17.tail": 10 * day,
        "note": 99 * day,
    }
    for lane, name, age in [*(("a.b", *one) for one in ages.items()), ("gone", "0.snapshot", 0)]:
        path = tmp_path / lane / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, ((now_ms - age) / 1000,) * 2)
    tidy(tmp_path, [plan], now_ms)
    assert sorted(path.name for path in (tmp_path / "a.b").iterdir()) == [
        "0.snapshot", "3.unfit", "4.17.tail", "4.19.tail", "4.snapshot", "note",
    ]  # fmt: skip
    assert list((tmp_path / "gone").iterdir()) == []
    delete_unfit(tmp_path / "a.b/3.snapshot", now_ms)
    assert (tmp_path / "a.b/3.unfit").exists()
    delete_unfit(tmp_path / "a.b/3.snapshot", now_ms + 2000)
    assert not (tmp_path / "a.b/3.unfit").exists()
    tidy(tmp_path / "nowhere", [plan], now_ms)
