"""Whatever is planted is found and named: flipped, dropped, added, reordered, truncated, rolled back, forked."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.ledger.kit import LEDGER, WITNESS, head, leaves, store
from tests.unit.ledger.test_tree import flipped

from gebus.ledger.audit import Head, Report, audit
from gebus.ledger.files import Directory
from gebus.ledger.tiles import pack, tile_path, unpack
from gebus.ledger.tree import root_of
from gebus.ledger.verify_evidence import leaf_hash, open_checkpoint

SIZE = 700
LEAVES = leaves(SIZE)
SEEDS = range(20)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "ledger"
    store(path, LEAVES)
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "ledger"))


def audited(path: Path, topic: list[bytes], *kept: str, trimmed: bool = False) -> Report:
    heads = [Head("somebody", open_checkpoint(text, LEDGER.key)) for text in kept]
    return audit(Directory(path), topic, LEDGER.key, [WITNESS.key], heads, trimmed=trimmed)


def found(report: Report) -> set[tuple[str, str]]:
    return {(one.kind, one.place) for one in report.findings}


def checkpoint(content: list[bytes]) -> str:
    return head(len(content), root_of([leaf_hash(leaf) for leaf in content]))


def test_a_whole_ledger_is_good(whole: Path) -> None:
    report = audited(whole, LEAVES, checkpoint(LEAVES[:300]), checkpoint(LEAVES))
    assert report.good, report.findings
    assert (report.size, report.behind) == (SIZE, 0)


def test_leaves_under_no_checkpoint_yet_are_no_finding(whole: Path) -> None:
    report = audited(whole, [*LEAVES, *leaves(5, "more")])
    assert report.good
    assert report.behind == 5


def test_a_topic_whose_beginning_has_passed_its_retention_is_no_finding(whole: Path) -> None:
    report = audited(whole, LEAVES[300:], trimmed=True)
    assert report.good, report.findings
    assert report.first == 301
    changed = [*LEAVES[300:400], b"x", *LEAVES[401:]]
    assert found(audited(whole, changed, trimmed=True)) == {("changed", "leaf 400 in the topic")}


Tamper = Callable[[list[bytes], random.Random], tuple[str, int]]


def flip(content: list[bytes], numbers: random.Random) -> tuple[str, int]:
    at = numbers.randrange(SIZE)
    content[at] = flipped(content[at], numbers)
    return "changed", at


def drop(content: list[bytes], numbers: random.Random) -> tuple[str, int]:
    at = numbers.randrange(SIZE)
    del content[at]
    return "dropped", at


def add(content: list[bytes], numbers: random.Random) -> tuple[str, int]:
    at = numbers.randrange(SIZE)
    content.insert(at, b"planted")
    return "added", at


def reorder(content: list[bytes], numbers: random.Random) -> tuple[str, int]:
    at = numbers.randrange(SIZE - 200)
    other = at + numbers.randint(1, 199)
    content[at], content[other] = content[other], content[at]
    return "reordered", at


def cut(content: list[bytes], numbers: random.Random) -> tuple[str, int]:
    at = numbers.randrange(SIZE - 20, SIZE)
    del content[at:]
    return "dropped", at


TAMPERING = (flip, drop, add, reorder, cut)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tamper", TAMPERING)
def test_tampering_with_the_topic_is_named(whole: Path, tamper: Tamper, seed: int) -> None:
    topic = list(LEAVES)
    kind, at = tamper(topic, random.Random(seed))
    report = audited(whole, topic)
    named = {(one, place) for one, place in found(report) if place == f"leaf {at} in the topic" or one == "reordered"}
    assert named, report.findings
    # Of two neighbours that changed places, either may be said to have moved.
    assert {one for one, _ in named} == {kind}
    assert all("the checkpoint agrees with the ledger's files" in one.found for one in report.findings)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tamper", TAMPERING)
def test_tampering_with_the_bundles_is_named(copy: Path, tamper: Tamper, seed: int) -> None:
    content = list(LEAVES)
    kind, at = tamper(content, random.Random(seed))
    plant(copy, content, at // 256, SIZE)
    report = audited(copy, LEAVES)
    kinds = {one for one, place in found(report) if place == f"leaf {at} in the ledger's files" or one == "reordered"}
    assert kind in kinds, report.findings
    assert any("the checkpoint agrees with the topic" in one.found for one in report.findings)


def plant(path: Path, content: list[bytes], first: int, size: int) -> None:
    """Write bundles that hold `content` from the bundle `first` on, with as many files as a tree of `size` has."""
    for number in range(first, -(-size // 256)):
        last = number == size // 256
        chunk = content[number * 256 :] if last else content[number * 256 : number * 256 + 256]
        name = tile_path("entries", number, size % 256 if last else 256)
        (path / name).write_bytes(pack(chunk))


@pytest.mark.parametrize("seed", SEEDS)
def test_any_byte_of_any_file_is_found(copy: Path, seed: int) -> None:
    numbers = random.Random(seed)
    files = sorted(file for file in copy.rglob("*") if file.is_file() and file.name not in ("lock", "state.json"))
    file = files[numbers.randrange(len(files))]
    file.write_bytes(flipped(file.read_bytes(), numbers))
    report = audited(copy, LEAVES, checkpoint(LEAVES))
    if file.name == "checkpoint" and report.good:
        # A bit of base64 that says nothing, or a cosignature's name: the head is still the one that was signed.
        assert report.checkpoint is not None
        assert report.checkpoint.size == SIZE
        return
    assert not report.good, file


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001"])
def test_a_file_that_is_gone_or_cut_is_named(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    assert any(one.place == name for one in audited(copy, LEAVES).findings)
    (copy / name).unlink()
    assert any(one.place == name for one in audited(copy, LEAVES).findings)


def test_the_hash_of_a_tile_that_is_wrong_is_named(copy: Path) -> None:
    content = bytearray((copy / "tile/0/001").read_bytes())
    content[17 * 32 + 5] ^= 4
    (copy / "tile/0/001").write_bytes(content)
    assert [str(one) for one in audited(copy, LEAVES).findings] == [
        "tile: tile/0/001: hash 17 is not that of what lies below it"
    ]


def test_a_bundle_with_a_leaf_too_many_is_named(copy: Path) -> None:
    path = copy / "tile/entries/002.p/188"
    path.write_bytes(pack([*unpack(path.read_bytes(), "x"), b"planted"]))
    assert ("added", f"leaf {SIZE} in the ledger's files") in found(audited(copy, LEAVES))


def test_a_ledger_that_was_rolled_back_is_named(tmp_path: Path) -> None:
    store(tmp_path / "old", LEAVES[:600])
    report = audited(tmp_path / "old", LEAVES, checkpoint(LEAVES))
    assert found(report) == {("rolled back", "somebody")}
    assert "it holds a checkpoint of 700 leaves, and the ledger's is of 600" in str(report.findings[0])


@pytest.mark.parametrize("size", [300, 600, 700])
def test_a_ledger_that_forked_is_named(tmp_path: Path, size: int) -> None:
    """Topic and files were both made anew, and signed again with the right key: only a kept head tells."""
    other = [*LEAVES[:100], b"planted", *LEAVES[101:]]
    store(tmp_path / "fork", other)
    assert found(audited(tmp_path / "fork", other, checkpoint(LEAVES[:size]))) == {("forked", "somebody")}
    assert audited(tmp_path / "fork", other, checkpoint(LEAVES[:100])).good


def test_a_head_of_another_tree_is_named(copy: Path) -> None:
    (copy / "checkpoint").write_text(checkpoint([*LEAVES[:-1], b"x"]))
    assert ("forked", f"the checkpoint of {SIZE} leaves") in found(audited(copy, LEAVES))


def test_a_checkpoint_that_nobody_signed_is_named(copy: Path) -> None:
    (copy / "checkpoint").write_text(checkpoint(LEAVES).replace("\n700\n", "\n699\n"))
    (one,) = audited(copy, LEAVES).findings
    assert one.kind == "checkpoint"
    assert "does not hold" in one.found
    (copy / "checkpoint").unlink()
    (one,) = audited(copy, LEAVES).findings
    assert "there is none; `gebus run ledger` signs one" in one.found


def test_a_topic_that_was_made_anew_is_named(whole: Path) -> None:
    report = audited(whole, leaves(SIZE, "other"))
    assert {one.kind for one in report.findings} == {"changed"}
    assert len(report.findings) == 50
    assert ("dropped", "topic") in found(audited(whole, leaves(9, "other"), trimmed=True))
