"""The tree on disk: the layout of C2SP, and the same tree whatever dies when."""

from __future__ import annotations

import errno
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.ledger.kit import ORIGIN, digest_of, head, leaves, store

from gebus.ledger.files import Directory
from gebus.ledger.store import Store
from gebus.ledger.tiles import TiledTree, pack, parse_path, tile_path, unpack, widths
from gebus.ledger.tree import inclusion_path, root_of
from gebus.ledger.verify_evidence import leaf_hash, path_root
from gebus.model.errors import Stopped

LEAVES = leaves(1500)
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path("entries", 7, 12) == "tile/entries/007.p/12"
    for path in ("tile/0/x001/x234/067", "tile/63/000.p/255", "tile/entries/999"):
        level, number, width = parse_path(path) or ("", 0, 0)
        assert tile_path(level, number, width) == path
    for path in (
        "tile/64/000",
        "tile/00/000",
        "tile/0/1",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/x000/001",
        "x",
    ):
        assert parse_path(path) is None, path


def test_a_tree_of_70000_ends_with_the_tiles_of_the_specification() -> None:
    assert list(widths(70_000)) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert list(widths(256)) == [(1, 0, 1)]
    assert list(widths(0)) == []


def test_a_bundle_is_lengths_and_leaves() -> None:
    assert pack([b"ab", b""]) == b"\0\2ab\0\0"
    assert unpack(pack(LEAVES[:9]), "x") == LEAVES[:9]
    with pytest.raises(Stopped, match="x: leaf 1 is cut short"):
        unpack(b"\0\2ab\0", "x")


@pytest.mark.parametrize("seed", range(10))
def test_however_leaves_come_the_tree_is_the_same(seed: int, tmp_path: Path) -> None:
    numbers, made = random.Random(seed), store(tmp_path / "one")
    while made.size < len(LEAVES):
        count = numbers.choice([1, 2, 100, 255, 256, 257, 600])
        made.append(LEAVES[made.size : made.size + count], made.size, made.size + 1)
        size = numbers.randint(1, made.size)
        assert made.tree(size).root == root_of(HASHES[:size])
        if numbers.random() < 0.3:
            made = Store(Directory(tmp_path / "one", durable=False), ORIGIN)
    assert made.root == root_of(HASHES)
    tree = made.tree()
    for index in (0, 255, 256, 1499):
        assert tree.leaf(index) == LEAVES[index]
        assert path_root(index, 1500, HASHES[index], inclusion_path(index, 1500, tree.head)) == made.root
    at_once = store(tmp_path / "two")
    at_once.append(LEAVES, made.state.last_offset, made.state.next_offset)
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "two")


class Power(Directory):
    """A directory whose power fails after some files."""

    left = 0

    def _write(self, path: Path, content: bytes) -> set[Path]:
        if Power.left == 0:
            raise KeyboardInterrupt
        Power.left -= 1
        return super()._write(path, content)


@pytest.mark.parametrize("after", range(12))
def test_power_that_fails_at_any_file_changes_nothing(after: int, tmp_path: Path) -> None:
    store(tmp_path / "l", LEAVES[:250])
    Power.left = after
    dying = Store(Power(tmp_path / "l", durable=False), ORIGIN)
    try:
        dying.append(LEAVES[250:900], 899, 900)
        dying.publish(head(900, dying.root))
    except KeyboardInterrupt:
        pass
    again = Store(Directory(tmp_path / "l", durable=False), ORIGIN)
    assert again.size in (250, 900)
    assert again.root == root_of(HASHES[: again.size])
    again.append(LEAVES[again.size :], 1499, 1500)
    again.publish(head(1500, again.root))
    whole = store(tmp_path / "whole", LEAVES)
    assert again.root == whole.root


def test_what_is_written_is_synced_before_the_state_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def write(self: Directory, files: Mapping[str, bytes]) -> None:
        written.append(",".join(files))
        original(self, files)

    original = Directory.write
    monkeypatch.setattr(Directory, "write", write)
    made = Store(Directory(tmp_path / "l"), ORIGIN)
    made.append(LEAVES[:3], 2, 3)
    made.publish(head(3, made.root))
    assert written == ["state.json", "tile/0/000.p/3,tile/entries/000.p/3", "state.json", "checkpoint"]


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("tile/1/000.p/1", lambda old: b"\0" + old[1:], "its tiles have the root"),
        ("tile/0/001.p/44", lambda old: old[:-32], "fewer than a tree of 300 leaves has"),
        ("tile/entries/001.p/44", lambda old: old.replace(b"leaf-299", b"leaf-298"), "its last leaves are not those"),
        ("tile/entries/001.p/44", lambda old: old[:-1], "is cut short"),
        ("state.json", lambda old: old.replace(b'"size": 300', b'"size": 299'), "its tiles have the root"),
        ("state.json", lambda _: b"{", "state.json cannot be read"),
        ("state.json", lambda old: old.replace(b"bus-1", b"bus-2"), "another bus's"),
        ("state.json", lambda old: old.replace(b'"v": 1', b'"v": 2'), "is of version 2; this gebus reads 1"),
        ("checkpoint", lambda _: head(299, b"\1" * 32).encode(), "the checkpoint of 299 leaves is not of this tree"),
        ("checkpoint", lambda _: head(301, b"\1" * 32).encode(), "the checkpoint of 301 leaves is not of this tree"),
        ("checkpoint", lambda _: b"x", "no checkpoint"),
    ],
)
def test_a_directory_that_was_changed_is_not_opened(tmp_path: Path, name: str, change, words: str) -> None:  # type: ignore[no-untyped-def]
    store(tmp_path / "l", LEAVES[:300])
    path = tmp_path / "l" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Stopped, match=words):
        Store(Directory(tmp_path / "l", durable=False), ORIGIN)


def test_a_state_that_is_gone_is_not_taken_for_a_new_ledger(tmp_path: Path) -> None:
    store(tmp_path / "l", LEAVES[:3])
    (tmp_path / "l/state.json").unlink()
    with pytest.raises(Stopped, match=r"there is a checkpoint, and no state\.json"):
        Store(Directory(tmp_path / "l", durable=False), ORIGIN)


def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = store(tmp_path / "l", LEAVES[:3])

    def full(_: Directory, path: Path, content: bytes) -> set[Path]:
        del content
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Directory, "_write", full)
        with pytest.raises(Stopped, match="No space left on device; what was signed is on the disk"):
            made.append(LEAVES[3:5], 4, 5)
    assert Store(Directory(tmp_path / "l", durable=False), ORIGIN).size == 3


def test_a_leaf_that_no_bundle_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="a leaf of 65536 bytes"):
        store(tmp_path / "l").append([b"x" * 65_536], 0, 1)


def test_one_process_has_a_directory(tmp_path: Path) -> None:
    made = store(tmp_path / "l")
    with made.locked(), pytest.raises(Stopped, match="another process works on"), made.locked():
        pass


def test_a_reader_of_an_old_size_finds_the_tiles_that_have_grown(tmp_path: Path) -> None:
    made = store(tmp_path / "l", LEAVES[:10])
    for size in (11, 200, 300, 700):
        made.append(LEAVES[made.size : size], size - 1, size)
        assert TiledTree(Directory(tmp_path / "l").read, 10).root == root_of(HASHES[:10])
        assert TiledTree(Directory(tmp_path / "l").read, 10).bundle(0) == LEAVES[:10]
    assert not list((tmp_path / "l").rglob("*.p/10"))
