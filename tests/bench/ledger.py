"""How long the ledger takes: `python -m tests.bench.ledger --leaves 10000000` builds a tree, and measures.

A proof is a C2SP tlog-proof: the path from a leaf to the root, and the checkpoint with one cosignature. It is made from
the files with nothing in memory but what the system caches of them. The leaves are short, which the figures for proofs
do not depend on; the tree takes 80 bytes a leaf below --directory.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from gebus.ledger.files import Directory
from gebus.ledger.index import Index
from gebus.ledger.leaves import Taken
from gebus.ledger.notes import LEDGER_KEY, WITNESS_KEY, Signer, checkpoint_body
from gebus.ledger.store import Store
from gebus.ledger.tree import consistency_path, inclusion_path, root_of
from gebus.ledger.verify_evidence import leaf_hash, open_checkpoint, path_root, read_proof, write_proof
from gebus.model.leaf import ENTRY_BYTES, Leaf, Message

_AT_ONCE = 100_000
_PROOFS = 2_000
_BATCH = 1_000


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure the ledger.")
    parser.add_argument("--leaves", type=int, default=10_000_000)
    parser.add_argument("--directory", type=Path, help="where the tree is built, and removed again")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(dir=options.directory, prefix="ledger-bench-"))
    try:
        figures = {"leaves": options.leaves, "seed": options.seed}
        figures |= _tree(directory, options.leaves, random.Random(options.seed))
        figures |= _following(directory, random.Random(options.seed))
        print(json.dumps(figures, indent=2))  # noqa: T201 - what it is for
    finally:
        shutil.rmtree(directory)


def _tree(directory: Path, size: int, numbers: random.Random) -> dict[str, float]:
    ledger, witness = Signer.of("gebus/bench", LEDGER_KEY, b"\1" * 32), Signer.of("witness", WITNESS_KEY, b"\2" * 32)
    store = Store(Directory(directory / "tree", durable=False), ledger.key.name)
    began = time.perf_counter()
    for start in range(0, size, _AT_ONCE):
        store.append([_leaf(number) for number in range(start, min(size, start + _AT_ONCE))], size, size)
    built = time.perf_counter() - began
    body = checkpoint_body(ledger.key.name, size, store.root)
    checkpoint = ledger.note(body) + witness.signature(body, 1_580_515_200)
    head = open_checkpoint(checkpoint, ledger.key, [witness.key])
    seconds, cpu, sizes = [], [], []
    for _ in range(_PROOFS):
        number = numbers.randrange(size)
        began, used = time.perf_counter(), time.process_time()
        proof = write_proof(number, inclusion_path(number, size, store.tree(size).head), checkpoint)
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
        sizes.append(len(proof.encode()))
        place, path, _ = read_proof(proof)
        if path_root(place, size, leaf_hash(_leaf(number)), path) != head.root:
            raise SystemExit(f"the proof of leaf {number} does not hold")
    began = time.perf_counter()
    for _ in range(_PROOFS):
        consistency_path(numbers.randrange(1, size), size, store.tree(size).head)
    grown = (time.perf_counter() - began) / _PROOFS
    return {
        "append_leaves_a_second": round(size / built),
        "proof_bytes_most": max(sizes),
        "proof_ms_median": round(statistics.median(seconds) * 1000, 3),
        "proof_ms_99_of_100": round(statistics.quantiles(seconds, n=100)[98] * 1000, 3),
        "proof_cpu_ms_99_of_100": round(statistics.quantiles(cpu, n=100)[98] * 1000, 3),
        "consistency_ms_mean": round(grown * 1000, 3),
    }


def _following(directory: Path, numbers: random.Random) -> dict[str, float]:
    """Leaves of a thousand records each, as lanes write them: in the tree, with fsync, and in the index."""
    taken = [_taken(number, numbers) for number in range(200)]
    store, index = Store(Directory(directory / "following"), "gebus/bench"), Index(directory / "following")
    began = time.perf_counter()
    for chunk in (taken[start : start + 20] for start in range(0, len(taken), 20)):
        first = store.size
        for one in chunk:
            root_of([digest for _, digest in one.message])
        store.append([one.message.content for one in chunk], chunk[-1].offset, chunk[-1].offset + 1)
        index.add(first, chunk)
    spent = time.perf_counter() - began
    index.close()
    return {"records_followed_a_second": round(len(taken) * _BATCH / spent)}


def _leaf(number: int) -> bytes:
    return number.to_bytes(8, "big") * 4


def _taken(number: int, numbers: random.Random) -> Taken:
    leaf = Leaf(
        at=number, feed="a/b", slice=0, lane="l", grant="a/b#1", policy="0" * 16, mode="normal", count=_BATCH, size=1,
        fields=(1, 1, 1, 1), root="0" * 64,
    )  # fmt: skip
    return Taken(number, Message(leaf, leaf.encode(), numbers.randbytes(ENTRY_BYTES * _BATCH)))


if __name__ == "__main__":
    main()
