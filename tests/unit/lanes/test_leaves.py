"""The leaves that a transaction writes: what they name, and the form that ledger and usage read."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from tests.unit.lanes.conftest import LANE, lane_plan, with_feed
from tests.unit.lanes.fake_kernel import Leaf as KernelLeaf

from gebus.lanes.leaves import Leaves
from gebus.model.errors import Stopped
from gebus.model.leaf import Leaf, Message, framed

NOW = 1_790_000_000_000


def written(leaves: Leaves, **changes: object) -> Leaf:
    (message,) = leaves.messages([replace(KernelLeaf(LANE, 3, 2), **changes)], NOW)
    assert message["key"] == b"cdc/masks"
    return Message.decode(message["value"], "a test").leaf


@pytest.fixture
def leaves() -> Leaves:
    return Leaves([with_feed(lane_plan())])


def test_a_leaf_says_what_was_delivered_and_by_what_right(leaves: Leaves) -> None:
    leaf = written(leaves)
    assert asdict(leaf) == {
        "at": NOW, "feed": "cdc/masks", "slice": 3, "lane": LANE, "grant": "cdc/masks#1", "policy": "0123456789abcdef",
        "mode": "normal", "count": 2, "size": 9, "fields": (1, 2, 3, 4), "root": "00" * 32,
    }  # fmt: skip


def test_it_names_the_grant_and_the_mode_that_were_told_last(leaves: Leaves) -> None:
    leaves.granted("cdc/masks", "cdc/masks#2")
    leaves.modes(["flood-1", "flood-2"])
    assert written(leaves).grant == "cdc/masks#2"
    assert [written(leaves, mode=mode).mode for mode in (0, 1, 2)] == ["normal", "flood-1", "flood-2"]


def test_its_form_is_the_canonical_json(leaves: Leaves) -> None:
    leaf = replace(written(leaves), feed='cdc/"口罩"\n', grant="a\\b")
    canonical = json.dumps(json.loads(leaf.encode()), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert leaf.encode() == canonical.encode()
    assert Leaf.decode(leaf.encode(), "here") == leaf


@pytest.fixture
def good(leaves: Leaves) -> Leaf:
    return written(leaves)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda leaf: leaf[:-1], "no JSON"),
        (lambda leaf: leaf.replace(b'"at"', b'"to"'), "not the 12 keys"),
        (lambda leaf: leaf.replace(b'"v":1', b'"v":2'), "of version 2; this gebus reads 1: install a newer one"),
        (lambda leaf: leaf.replace(b'"count":2', b'"count":-2'), "whole and at least 0"),
        (lambda leaf: leaf.replace(b'"count":2', b'"count":true'), "whole and at least 0"),
        (lambda leaf: leaf.replace(b'"4":4', b'"5":4'), "whole and at least 0"),
        (lambda leaf: leaf.replace(b'"root":"00', b'"root":"0g'), "64 hex digits"),
        (lambda leaf: leaf.replace(b'"at":', b'"at": '), "not in canonical form"),
    ],
)
def test_what_is_no_leaf_is_refused(good: Leaf, changed, told: str) -> None:
    with pytest.raises(Stopped, match=rf"^here: .*{told}"):
        Leaf.decode(changed(good.encode()), "here")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "0 bytes, cut short"),
        (b"\1\0", "2 bytes, cut short"),
        (b"\xff\0\0\0{}", "6 bytes, cut short"),
    ],
)
def test_what_is_no_message_is_refused(value: bytes | None, told: str) -> None:
    with pytest.raises(Stopped, match=told):
        Message.decode(value, "here")


def test_entries_are_as_many_as_the_leaf_counts(good: Leaf) -> None:
    entries = bytes(range(80))
    assert list(Message.decode(framed(good.encode(), entries), "here")) == [
        (entries[:8], entries[8:40]),
        (entries[40:48], entries[48:]),
    ]
    with pytest.raises(Stopped, match="40 bytes of entries beside a leaf of 2 records, which take 80"):
        Message.decode(framed(good.encode(), entries[:40]), "here")
