"""The Merkle tree of RFC 6962 as functions: heads, paths, and whether one tree is the beginning of another.

Nothing here reads or writes: where a hash inside a tree is needed, a function gives it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from gebus.ledger.verify_evidence import NotProven, node_hash

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()

Head = Callable[[int, int], bytes]
"""The head of the leaves from one index up to another, where RFC 6962 has a node for them."""
Subtree = Callable[[int, int], bytes]
"""The head of the n-th whole subtree of 2 ** level leaves."""


def fold(heads: Sequence[bytes]) -> bytes:
    """The root over whole subtrees side by side, the largest first."""
    if not heads:
        return EMPTY_ROOT
    root = heads[-1]
    for head in reversed(heads[:-1]):
        root = node_hash(head, root)
    return root


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    heads: list[bytes] = []
    for count, leaf in enumerate(hashes):
        # A subtree for each bit of the count: where adding carries, two of a size become one.
        head, carry = leaf, count
        while carry & 1:
            head, carry = node_hash(heads.pop(), head), carry >> 1
        heads.append(head)
    return fold(heads)


def head_from(subtree: Subtree) -> Head:
    """The head of any node, from those of whole subtrees."""

    def head(start: int, end: int) -> bytes:
        heads = []
        while start < end:
            level = (end - start).bit_length() - 1
            heads.append(subtree(level, start >> level))
            start += 1 << level
        return fold(heads)

    return head


def head_in(hashes: Sequence[bytes]) -> Head:
    """The head of any node over leaf hashes that are at hand."""
    return lambda start, end: root_of(hashes[start:end])


def inclusion_path(index: int, size: int, head: Head) -> list[bytes]:
    """The path from a leaf to the root of a tree of `size`, the leaf's sibling first."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} of a tree of {size}; allowed: 0 up to {size - 1}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(head(middle, end))
            end = middle
        else:
            path.append(head(start, middle))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int, head: Head) -> list[bytes]:
    """What shows that the tree of `old` leaves is the beginning of the tree of `new`."""
    if not 0 <= old <= new:
        raise ValueError(f"from a tree of {old} to one of {new}; allowed: a growth")
    if old in (0, new):
        return []
    start, end, path = 0, new, []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(head(middle, end))
            end = middle
        else:
            path.append(head(start, middle))
            start = middle
    if start:
        path.append(head(start, end))
    return path[::-1]


def require_growth(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """NotProven, which says how, unless the new tree begins with the old one."""
    if new < old:
        raise NotProven(f"rolled back: the tree had {old} leaves, and now has {new}")
    if old == new and old_root != new_root:
        raise NotProven(f"forked: two trees of {old} leaves have other roots, {old_root.hex()} and {new_root.hex()}")
    if old == 0 and old_root != EMPTY_ROOT:
        raise NotProven(f"forked: the empty tree's root was {old_root.hex()}")
    if old in (0, new):
        if path:
            raise NotProven(f"a path of {len(path)} hashes from a tree of {old} to one of {new}, which takes none")
    elif _both_roots(old, new, old_root, path) != (old_root, new_root):
        raise NotProven(f"forked: the tree of {new} leaves does not begin with the tree of {old} that was seen before")


def _both_roots(old: int, new: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that the path leads to (RFC 9162, 2.1.4.2)."""
    # Where the old tree is a whole subtree of the new one, its own root begins the path.
    steps = list(path) if old & (old - 1) else [old_root, *path]
    if not steps:
        raise NotProven(f"no path from a tree of {old} to one of {new}")
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise NotProven(f"a path of {len(path)} hashes is too long from a tree of {old} to one of {new}")
        if first & 1 or first == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            after = node_hash(after, step)
        first, last = first >> 1, last >> 1
    if last:
        raise NotProven(f"a path of {len(path)} hashes is too short from a tree of {old} to one of {new}")
    return before, after


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
