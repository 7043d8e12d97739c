"""The ledger at work, without Kafka: the same tree over any crash, and no head that contradicts another."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.unit.ledger.kit import LEDGER, digest_of, head, receipt, store, taken

from gebus.ledger.index import INDEX, Index
from gebus.ledger.leaves import Taken
from gebus.ledger.metrics import Metrics
from gebus.ledger.service import Ledger, Pace, first_offset
from gebus.ledger.store import Store
from gebus.ledger.tiles import TiledTree
from gebus.ledger.tree import root_of
from gebus.ledger.verify_evidence import leaf_hash, open_checkpoint
from gebus.model.errors import Stopped, Unavailable
from gebus.model.receipt import entity_tag

# Offsets with gaps: the marks of transactions take one each.
TOPIC = [taken(number + number // 3, [receipt(number), receipt(number + 1000)]) for number in range(600)]
HASHES = [leaf_hash(one.message.content) for one in TOPIC]


@dataclass
class Topic:
    """What the ledger reads, so much at a time."""

    content: Sequence[Taken]
    offset: int
    most: int = 64

    def poll(self, seconds: float) -> Sequence[Taken]:
        assert seconds > 0
        found = [one for one in self.content if one.offset >= self.offset][: self.most]
        if found:
            self.offset = found[-1].offset + 1
        return found


class NoWitness:
    def ask(self, note: str, size: int, tree: TiledTree) -> str:
        assert open_checkpoint(note, LEDGER.key).root == tree.root
        assert tree.size == size
        return ""


@dataclass
class Rig:
    """One life of a ledger on a directory."""

    directory: Path
    content: Sequence[Taken] = field(default_factory=lambda: TOPIC)
    published: str | None = None
    heads: list[str] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.store: Store = store(self.directory)
        self.index = Index(self.directory)
        number, offset = first_offset(self.store, self.index)
        self.metrics = Metrics()
        self.ledger = Ledger(
            store=self.store, index=self.index, leaves=Topic(self.content, offset), number=number, signer=LEDGER,
            cosigners=NoWitness(), publish=lambda _, text: self.heads.append(text), published=self.published,
            metrics=self.metrics, pace=Pace(), now=lambda: self.now,
        )  # fmt: skip

    def run(self, steps: int = 100) -> None:
        for _ in range(steps):
            self.now += 1.0
            self.ledger.step()

    def value(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


def test_leaves_become_the_tree_in_their_order_and_heads_are_signed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.run()
    assert rig.store.root == root_of(HASHES)
    opened = [open_checkpoint(text, LEDGER.key) for text in rig.heads]
    assert [one.size for one in opened][:10] == [64, 128, 192, 256, 320, 384, 448, 512, 576, 600]
    assert all(one.root == root_of(HASHES[: one.size]) for one in opened)
    assert rig.store.checkpoint == rig.heads[-1]
    assert rig.index.size == 600
    assert (rig.value("gebus_ledger_leaves_total"), rig.value("gebus_ledger_records_total")) == (600, 1200)
    assert rig.value("gebus_ledger_unsound_leaves_total") == 0


def test_a_ledger_without_a_leaf_is_signed_and_goes_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path, [])
    rig.run(3)
    assert open_checkpoint(rig.heads[0], LEDGER.key).size == 0
    rig.index.close()
    again = Rig(tmp_path)
    again.run()
    assert again.store.size == 600


def test_a_tree_that_stands_is_signed_now_and_then(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.run(10)
    before = len(rig.heads)
    rig.run(29)
    assert len(rig.heads) == before + 2


@pytest.mark.parametrize("life", range(1, 12))
def test_however_often_it_dies_the_tree_is_the_same(tmp_path: Path, life: int) -> None:
    for _ in range(100):
        rig = Rig(tmp_path / "dying")
        rig.run(life)
        rig.index.close()
        if rig.store.size == 600:
            break
    whole = Rig(tmp_path / "whole")
    whole.run()
    whole.index.close()
    assert rig.store.root == whole.store.root
    assert places(tmp_path / "dying") == places(tmp_path / "whole")


def places(directory: Path) -> list[tuple[int, int, str, bytes]]:
    index = Index(directory, read_only=True)
    found = index.places(entity_tag("entity-3"), most=10_000)
    index.close()
    return [(one.number, one.offset, one.feed, one.digests) for one in found]


def test_an_index_that_is_behind_gone_or_broken_is_made_anew(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.run()
    rig.index.close()
    wanted, tree = places(tmp_path), digest_of(tmp_path / "tile")
    for breaking in (lambda path: path.unlink(), lambda path: path.write_bytes(b"x" * 5000)):
        for name in tmp_path.glob(f"{INDEX}-*"):
            name.unlink()
        breaking(tmp_path / INDEX)
        again = Rig(tmp_path)
        again.run()
        again.index.close()
        assert places(tmp_path) == wanted
        assert digest_of(tmp_path / "tile") == tree


def test_an_index_that_knows_more_than_the_tree_is_made_anew(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "l")
    rig.run()
    rig.index.close()
    early = Rig(tmp_path / "early")
    early.run(2)
    early.index.close()
    (tmp_path / "l" / INDEX).replace(tmp_path / "early" / INDEX)
    again = Rig(tmp_path / "early")
    assert again.index.size == 0
    again.run()
    assert again.index.size == again.store.size == 600


@pytest.mark.parametrize("number", [0, 100, 599])
def test_a_topic_that_was_changed_under_it_stops_it(tmp_path: Path, number: int) -> None:
    rig = Rig(tmp_path)
    rig.run()
    rig.index.close()
    # The index is made anew, so every leaf passes once more.
    (tmp_path / INDEX).unlink()
    content = [*TOPIC]
    content[number] = taken(TOPIC[number].offset, [receipt(77_777)])
    again = Rig(tmp_path, content)
    with pytest.raises(Stopped, match=f"not the leaf {number} that was taken"):
        again.run()
    assert again.store.size == 600


def test_a_topic_that_was_made_anew_stops_it_at_the_first_leaf(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.run()
    rig.index.close()
    other = [taken(number, [receipt(number + 5000)]) for number in range(900)]
    with pytest.raises(Stopped, match="the topic was made anew"):
        Rig(tmp_path, other).run()


def test_a_head_that_others_saw_is_waited_for_and_not_contradicted(tmp_path: Path) -> None:
    seen = head(300, root_of(HASHES[:300]))
    rig = Rig(tmp_path / "good", published=seen)
    rig.run()
    assert open_checkpoint(rig.heads[0], LEDGER.key).size == 320
    forked = Rig(tmp_path / "forked", published=head(300, root_of(HASHES[1:301])))
    with pytest.raises(Stopped, match=r"forked: gebus\.ledger\.checkpoints holds a checkpoint of 300 leaves"):
        forked.run()
    assert forked.heads == []
    ahead = Rig(tmp_path / "ahead", published=head(601, root_of(HASHES)))
    ahead.run()
    assert ahead.heads == []


def test_a_leaf_that_contradicts_its_records_stays_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = taken(10, [receipt(1)], root="0" * 64)
    rig = Rig(tmp_path, [wrong])
    with caplog.at_level(logging.ERROR):
        rig.run(2)
    assert rig.store.size == 1
    assert rig.value("gebus_ledger_unsound_leaves_total") == 1
    assert "leaf 0 (gebus.ledger.leaves, offset 10) of feed a/b: its root is not that of its entries" in caplog.text


def test_checkpoints_that_kafka_does_not_take_are_on_the_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(origin: str, text: str) -> None:
        raise Unavailable(f"no {origin} for {len(text)}")

    rig = Rig(tmp_path)
    rig.ledger._publish = refuse
    with caplog.at_level(logging.WARNING):
        rig.run(3)
    assert rig.store.checkpoint is not None
    assert "no gebus/bus-1" in caplog.text


def test_an_index_that_cannot_be_written_stops_it_and_the_tree_is_whole(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.index._database.execute("PRAGMA query_only = ON")
    with pytest.raises(Stopped, match=r"index\.sqlite cannot be written: .*; the tree is whole"):
        rig.run()
    rig.index.close()
    again = Rig(tmp_path)
    again.run()
    assert again.index.size == 600


def test_an_index_is_read_by_its_feed_and_its_newest(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="`gebus run ledger` makes it"):
        Index(tmp_path, read_only=True)
    rig = Rig(tmp_path, [*TOPIC[:9], taken(99, [receipt(3, feed="c/d"), receipt(3, feed="c/d")])])
    rig.run(2)
    tag = entity_tag("entity-3")
    assert [one.number for one in rig.index.places(tag, most=2)] == [8, 9]
    assert [(one.feed, one.records) for one in rig.index.places(tag, "c/d", most=9)] == [("c/d", 2)]
    assert rig.index.places(tag, "x' OR 1=1 --", most=9) == []
    rig.index.close()
    with sqlite3.connect(tmp_path / INDEX) as database:
        database.execute("PRAGMA user_version = 7")
    with pytest.raises(Stopped, match="version 7, and this gebus reads 1"):
        Index(tmp_path, read_only=True)
