"""The Merkle tree is RFC 6962's, and no path proves what is not so."""

from __future__ import annotations

import random

import pytest
from tests.unit.ledger.kit import leaves, naive_root

from gebus.ledger.tree import (
    EMPTY_ROOT,
    consistency_path,
    head_from,
    head_in,
    inclusion_path,
    require_growth,
    root_of,
)
from gebus.ledger.verify_evidence import NotProven, leaf_hash, path_root

HASHES = [leaf_hash(leaf) for leaf in leaves(70)]
# The tree over the eight inputs that the implementations of Certificate Transparency share as their test vector.
CT_INPUTS = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_vectors_of_certificate_transparency() -> None:
    hashes = [leaf_hash(bytes.fromhex(text)) for text in CT_INPUTS]
    assert [root_of(hashes[: size + 1]).hex() for size in range(8)] == CT_ROOTS
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [step.hex() for step in inclusion_path(0, 8, head_in(hashes))] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [step.hex() for step in consistency_path(6, 8, head_in(hashes))] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@pytest.mark.parametrize("size", range(len(HASHES)))
def test_every_leaf_and_every_earlier_tree_is_proven(size: int) -> None:
    root, head = root_of(HASHES[:size]), head_in(HASHES)
    assert root == naive_root(HASHES[:size])
    for index in range(size):
        assert path_root(index, size, HASHES[index], inclusion_path(index, size, head)) == root
    for old in range(size + 1):
        require_growth(old, root_of(HASHES[:old]), size, root, consistency_path(old, size, head))


def test_any_node_comes_from_whole_subtrees() -> None:
    head = head_from(lambda level, number: root_of(HASHES[number << level : (number + 1) << level]))
    for size in range(1, len(HASHES)):
        assert head(0, size) == naive_root(HASHES[:size])


@pytest.mark.parametrize("seed", range(200))
def test_no_changed_path_proves_a_leaf(seed: int) -> None:
    numbers = random.Random(seed)
    size = numbers.randint(2, 69)
    index = numbers.randrange(size)
    path, root = inclusion_path(index, size, head_in(HASHES)), root_of(HASHES[:size])
    wrong, kind = list(path), numbers.randrange(5)
    leaf, place = HASHES[index], index
    if kind == 0:
        at = numbers.randrange(len(wrong))
        wrong[at] = flipped(wrong[at], numbers)
    elif kind == 1:
        del wrong[numbers.randrange(len(wrong))]
    elif kind == 2:
        wrong.insert(numbers.randint(0, len(wrong)), HASHES[numbers.randrange(70)])
    elif kind == 3:
        leaf = flipped(leaf, numbers)
    else:
        place = (index + numbers.randint(1, size - 1)) % size
    try:
        assert path_root(place, size, leaf, wrong) != root
    except NotProven:
        return


@pytest.mark.parametrize("seed", range(200))
def test_no_changed_path_proves_a_growth(seed: int) -> None:
    numbers = random.Random(seed)
    new = numbers.randint(3, 69)
    old = numbers.randint(1, new - 1)
    path, head = consistency_path(old, new, head_in(HASHES)), [root_of(HASHES[:old]), root_of(HASHES[:new])]
    kind = numbers.randrange(4)
    if kind == 0:
        at = numbers.randrange(len(path))
        path[at] = flipped(path[at], numbers)
    elif kind == 1:
        del path[numbers.randrange(len(path))]
    elif kind == 2:
        path.insert(numbers.randint(0, len(path)), HASHES[numbers.randrange(70)])
    else:
        at = numbers.randrange(2)
        head[at] = flipped(head[at], numbers)
    with pytest.raises(NotProven):
        require_growth(old, head[0], new, head[1], path)


def test_a_tree_that_shrank_or_forked_is_named() -> None:
    one, two = root_of(HASHES[:5]), root_of(HASHES[:6])
    with pytest.raises(NotProven, match="rolled back: the tree had 6 leaves, and now has 5"):
        require_growth(6, two, 5, one, [])
    with pytest.raises(NotProven, match="forked: two trees of 5 leaves have other roots"):
        require_growth(5, two, 5, one, [])
    with pytest.raises(NotProven, match="forked: the tree of 6 leaves does not begin with the tree of 5"):
        require_growth(5, two, 6, two, consistency_path(5, 6, head_in(HASHES)))
    with pytest.raises(NotProven, match="which takes none"):
        require_growth(0, EMPTY_ROOT, 6, two, [one])


def test_places_outside_a_tree_are_refused() -> None:
    for index, size in ((-1, 5), (5, 5), (0, 0)):
        with pytest.raises(ValueError, match="allowed"):
            inclusion_path(index, size, head_in(HASHES))
        with pytest.raises(NotProven):
            path_root(index, size, HASHES[0], [])
    with pytest.raises(ValueError, match="allowed: a growth"):
        consistency_path(6, 5, head_in(HASHES))


def flipped(content: bytes, numbers: random.Random) -> bytes:
    bit = numbers.randrange(len(content) * 8)
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
