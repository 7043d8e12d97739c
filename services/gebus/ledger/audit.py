"""The whole ledger held against the topic that it was made from, and against every head that anybody kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from gebus.ledger.differences import Difference, differences
from gebus.ledger.files import Directory
from gebus.ledger.store import CHECKPOINT
from gebus.ledger.tiles import ENTRIES, WIDTH, Growth, TiledTree, tile_path, unpack
from gebus.ledger.tree import HASH_BYTES, fold
from gebus.ledger.verify_evidence import Checkpoint, NotProven, VerifierKey, leaf_hash, node_hash, open_checkpoint
from gebus.model.errors import Stopped

_MOST = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong: its kind, the place, and what was found there."""

    kind: str
    place: str
    found: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.place}: {self.found}"


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint that someone kept, and who."""

    who: str
    checkpoint: Checkpoint


@dataclass
class Report:
    """The outcome: `size` leaves were held against their topic; `behind` leaves are under no checkpoint yet."""

    size: int = 0
    behind: int = 0
    first: int = 0
    """So many leaves at the beginning are no longer in the topic, and were held against the checkpoint alone."""
    checkpoint: Checkpoint | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.findings

    def add(self, kind: str, place: str, found: str) -> None:
        """Note a finding; more than fifty say nothing that the first do not."""
        if len(self.findings) < _MOST:
            self.findings.append(Finding(kind, place, found))


class _Heads:
    """The heads of a growing tree at the sizes that are asked for."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._sizes, self._subtrees, self._count = frozenset(sizes), list[bytes](), 0
        self.roots: dict[int, bytes] = {}
        self._note()

    def through(self, leaves: Iterable[bytes]) -> Iterator[bytes]:
        for leaf in leaves:
            head, carry = leaf, self._count
            while carry & 1:
                head, carry = node_hash(self._subtrees.pop(), head), carry >> 1
            self._subtrees.append(head)
            self._count += 1
            self._note()
            yield leaf

    @property
    def count(self) -> int:
        return self._count

    def _note(self) -> None:
        if self._count in self._sizes:
            self.roots[self._count] = fold(self._subtrees)


def audit(
    directory: Directory, topic: Iterable[bytes], key: VerifierKey, witnesses: Sequence[VerifierKey],
    heads: Sequence[Head], *, trimmed: bool = False,
) -> Report:  # fmt: skip
    """What is wrong with the ledger in `directory`.

    `topic` gives every leaf that the topic holds, in its order; `trimmed` says that older ones have passed their
    retention. Promised: a leaf changed, dropped, added or reordered, in the files or in the topic, a tile changed, a
    tree cut, rolled back or forked from any of `heads`, is found and named. Not promised: that topic and key were not
    both in the wrong hands since the first leaf; against that, there are witnesses and kept heads.
    """
    report = Report()
    content = directory.read(CHECKPOINT)
    try:
        head = open_checkpoint((content or b"").decode(errors="replace"), key, witnesses)
    except NotProven as error:
        report.add("checkpoint", CHECKPOINT, str(error) if content else "there is none; `gebus run ledger` signs one")
        return report
    report.checkpoint, report.size = head, head.size
    sizes = {head.size, *(one.checkpoint.size for one in heads)}
    files, logged = _Heads(sizes), _Heads(sizes)
    stored = files.through(map(leaf_hash, _stored(directory, head.size, report)))
    expected: Iterable[bytes] = logged.through(map(leaf_hash, topic))
    if trimmed:
        expected = _aligned(expected, stored, report)
    told = _compare(expected, stored, report)
    _judge(told, head, files, logged, report)
    _hold_against(heads, head, files, logged, report)
    _check_tiles(directory, head.size, report)
    return report


def _stored(directory: Directory, size: int, report: Report) -> Iterator[bytes]:
    """The leaves in the bundles, as they are; what is cut or missing is noted."""
    for number in range(-(-size // WIDTH)):
        width = min(WIDTH, size - number * WIDTH)
        path = tile_path(ENTRIES, number, width)
        exact = directory.read(path, exact=True)
        content = directory.read(path) if exact is None else exact
        try:
            leaves = unpack(content or b"", path)
        except Stopped as error:
            report.add("truncated", path, str(error))
            continue
        if len(leaves) < width:
            found = "it is missing" if content is None else f"{len(leaves)} leaves, where the checkpoint has {width}"
            report.add("truncated", path, found)
        yield from leaves if exact is not None else leaves[:width]


def _aligned(expected: Iterable[bytes], stored: Iterator[bytes], report: Report) -> Iterator[bytes]:
    """Pass over the stored leaves that the topic no longer has."""
    source = iter(expected)
    first = next(source, None)
    if first is None:
        report.first = sum(1 for _ in stored)
        return
    for leaf in stored:
        report.first += 1
        if leaf == first:  # which is compared by that, and is nothing of what follows
            yield from source
            return
    found = "its first leaf is nowhere in the ledger: it was made anew, or leaves between were deleted"
    report.add("dropped", "topic", found)


def _compare(expected: Iterable[bytes], stored: Iterable[bytes], report: Report) -> list[Difference]:
    told: list[Difference] = []
    for one in differences(expected, stored):
        if one.kind == "dropped" and report.first + one.number >= report.size:
            report.behind += 1
        elif len(told) < _MOST:
            told.append(one)
    return told


def _judge(told: Sequence[Difference], head: Checkpoint, files: _Heads, logged: _Heads, report: Report) -> None:
    """Name each difference, and which side the checkpoint agrees with."""
    by_files = files.roots.get(head.size) == head.root
    by_topic = logged.roots.get(head.size) == head.root and not report.first
    if by_files:
        where, who = "in the topic", "the checkpoint agrees with the ledger's files: the topic was changed"
        mirrored = {"dropped": "added", "added": "dropped"}
    else:
        where, mirrored = "in the ledger's files", {}
        who = (
            "the checkpoint agrees with the topic: the files were changed"
            if by_topic
            else "the checkpoint agrees with neither"
        )
    for one in told:
        if one.kind == "added" and one.number + report.first >= head.size:
            report.add("added", f"leaf {report.first + one.number} in the ledger's files", "no checkpoint knows it")
            continue
        kind = mirrored.get(one.kind, one.kind)
        report.add(kind, f"leaf {report.first + one.number} {where}", who)
    if not told and not by_files and files.count >= head.size:
        report.add(
            "forked", f"the checkpoint of {head.size} leaves",
            f"topic and files agree with each other, and the signed root {head.root.hex()} is of another tree",
        )  # fmt: skip


def _hold_against(heads: Sequence[Head], head: Checkpoint, files: _Heads, logged: _Heads, report: Report) -> None:
    for kept in heads:
        size, root = kept.checkpoint.size, kept.checkpoint.root
        if size > head.size:
            report.add(
                "rolled back", kept.who, f"it holds a checkpoint of {size} leaves, and the ledger's is of {head.size}"
            )
        elif (size, root) == (head.size, head.root):
            continue
        elif size == head.size or root not in (files.roots.get(size), logged.roots.get(size)):
            report.add("forked", kept.who, f"it holds a checkpoint of {size} leaves that is of another tree")


def _check_tiles(directory: Directory, size: int, report: Report) -> None:
    """Every tile holds the hashes of what lies below it."""
    growth, ignored = Growth(TiledTree(directory.read, 0)), Report()
    leaves = islice(_stored(directory, size, ignored), size)
    while chunk := list(islice(leaves, WIDTH)):
        for path, content in growth.append(chunk).items():
            # Of tiles that are not full, only the last ones are there.
            if ENTRIES in path or (".p/" in path and growth.size != size):
                continue
            found = (directory.read(path) or b"")[: len(content)]
            if found != content:
                report.add("tile", path, _first_wrong(content, found))


def _first_wrong(content: bytes, found: bytes) -> str:
    if len(found) < len(content):
        return f"{len(found) // HASH_BYTES} hashes, where {len(content) // HASH_BYTES} are needed"
    wrong = next(
        at for at in range(0, len(content), HASH_BYTES) if content[at:][:HASH_BYTES] != found[at:][:HASH_BYTES]
    )
    return f"hash {wrong // HASH_BYTES} is not that of what lies below it"
