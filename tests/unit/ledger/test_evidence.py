"""Evidence proves one delivery to whoever holds the keys; nothing that was changed in it does."""

from __future__ import annotations

import ast
import copy
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.ledger.kit import BUS, LEDGER, NOW_MS, WITNESS, head, receipt, store, taken
from tests.unit.ledger.test_tree import flipped

from gebus.ledger import verify_evidence
from gebus.ledger.evidence import NotYet, Prover, question
from gebus.ledger.index import Index
from gebus.ledger.notes import Signer
from gebus.ledger.verify_evidence import NotProven, VerifierKey, main, receipt_digest, record_digest, verify
from gebus.model.errors import NotFound, Stopped
from gebus.model.receipt import Receipt

BATCHES = [[receipt(batch * 100 + number) for number in range(1 + batch % 9)] for batch in range(300)]
TOPIC = {number * 2: taken(number * 2, batch) for number, batch in enumerate(BATCHES)}
FILE = Path(verify_evidence.__file__)


@pytest.fixture(scope="module")
def prover(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prover, Index]:
    path = tmp_path_factory.mktemp("ledger")
    made = store(path, [one.message.content for one in TOPIC.values()])
    index = Index(path)
    index.add(0, list(TOPIC.values()))
    return Prover(made, LEDGER.key, [WITNESS.key], TOPIC.__getitem__), index


@pytest.fixture(scope="module")
def evidence(prover: tuple[Prover, Index]) -> dict[str, Any]:
    return asked(prover, BATCHES[200][1])


def asked(prover: tuple[Prover, Index], of: Receipt) -> dict[str, Any]:
    made, index = prover
    # As it travels: in JSON.
    return json.loads(json.dumps(made.prove(index, json.loads(json.dumps(question(of))))))  # type: ignore[no-any-return]


@pytest.mark.parametrize("batch", range(0, 300, 23))
def test_every_record_of_a_batch_is_proven(prover: tuple[Prover, Index], batch: int) -> None:
    for one in BATCHES[batch]:
        proven = verify(asked(prover, one), LEDGER.key, [WITNESS.key])
        assert (proven.index, proven.digest, proven.leaf["feed"]) == (batch, one.digest, "a/b")
        assert len(json.dumps(asked(prover, one))) < 4000


def test_the_ledger_is_not_told_the_record() -> None:
    one = receipt(1)
    assert not {"key", "value", "entity"} & set(question(one))
    assert repr(one) == f"Receipt('a/b', at={NOW_MS + 1})"


def test_the_lone_verifier_and_the_bus_agree_on_a_record() -> None:
    one = receipt(1)
    assert record_digest(one.key, one.value) == one.digest == receipt_digest(json.loads(one.encode()))
    assert Receipt.decode(one.encode(), "x") == one


@pytest.mark.parametrize(
    ("of", "kind", "words"),
    [
        (receipt(1, bus="bus-2"), NotFound, "the receipt is of the bus bus-2"),
        (receipt(1, feed="a/c"), NotFound, "no such delivery in feed a/c"),
        (receipt(99_999), NotFound, "no such delivery"),
        (receipt(1, entity="someone else"), NotFound, "no such delivery"),
    ],
)
def test_what_was_not_delivered_is_not_proven(
    prover: tuple[Prover, Index], of: Receipt, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        asked(prover, of)


@pytest.mark.parametrize("change", [{"tag": "00"}, {"digest": "x" * 64}, {"tag": 1}, {"bus": None}, {"feed": 7}])
def test_what_is_no_question_is_refused(prover: tuple[Prover, Index], change: dict[str, Any]) -> None:
    made, index = prover
    with pytest.raises(Stopped, match="asked is bus, feed, and tag"):
        made.prove(index, {**question(receipt(1)), **change})


def test_a_leaf_without_a_head_over_it_is_waited_for(tmp_path: Path) -> None:
    messages = list(TOPIC.values())
    made = store(tmp_path, [one.message.content for one in messages[:200]])
    made.append([one.message.content for one in messages[200:]], 598, 599)
    index = Index(tmp_path)
    prover = Prover(made, LEDGER.key, [], TOPIC.__getitem__)
    with pytest.raises(NotYet, match="the index knows 0 of 300 leaves"):
        asked((prover, index), BATCHES[250][0])
    index.add(0, messages)
    with pytest.raises(NotYet, match="leaf 250 is not under the checkpoint of 200 leaves yet"):
        asked((prover, index), BATCHES[250][0])
    made.publish(head(300, made.root))
    assert verify(asked((prover, index), BATCHES[250][0]), LEDGER.key).index == 250


@pytest.mark.parametrize("seed", range(300))
def test_no_changed_evidence_proves_anything_else(evidence: dict[str, Any], seed: int) -> None:
    numbers = random.Random(seed)
    content = flipped(json.dumps(evidence, ensure_ascii=False).encode(), numbers)
    try:
        proven = verify(json.loads(content), LEDGER.key, [WITNESS.key])
    except (NotProven, ValueError):
        return
    # The bit was in what proves nothing: the keys that it claims, a space, a spare bit of base64.
    assert proven.digest == BATCHES[200][1].digest
    assert proven.leaf == json.loads(evidence["leaf"])


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("v",), 2, "no evidence of version 1"),
        (("more",), 1, "no evidence of version 1"),
        (("record",), [], "record, leaf or proof is missing"),
        (("leaf",), "{", "the leaf is no JSON"),
        (("leaf",), "{}", "names no feed, count and root"),
        (("feed",), "a/c", "the leaf is of feed 'a/b', the evidence of 'a/c'"),
        (("record", "digest"), "0" * 64, "the record is not in the batch"),
        (("record", "digest"), "0", "not 64 hex digits"),
        (("record", "index"), 2, "a path of 2 hashes is too long for leaf 2 of 3"),
        (("record", "index"), 0, "the record is not in the batch"),
        (("record", "index"), 77, "an index is at least 0 and less than the size"),
        (("record", "path"), ["AAAA"], "no hash of 32 bytes"),
        (("record", "path"), "AAAA", "no list of at most 64 hashes"),
        (("proof",), "x", "no proof: it begins with 'x'"),
    ],
)
def test_each_part_that_does_not_hold_is_named(
    evidence: dict[str, Any], path: tuple[str, ...], value: Any, words: str
) -> None:
    changed = copy.deepcopy(evidence)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(NotProven, match=words):
        verify(changed, LEDGER.key, [WITNESS.key])


def test_a_leaf_that_was_changed_with_its_batch_is_not_in_the_tree(evidence: dict[str, Any]) -> None:
    changed = {**evidence, "leaf": evidence["leaf"].replace('"mode":"normal"', '"mode":"other"')}
    with pytest.raises(NotProven, match="the leaf is not in the tree"):
        verify(changed, LEDGER.key)


def test_other_keys_prove_nothing(evidence: dict[str, Any]) -> None:
    other = Signer.of(LEDGER.key.name, 1, b"\7" * 32).key
    with pytest.raises(NotProven, match="bears no signature of the ledger's key"):
        verify(evidence, other)
    with pytest.raises(NotProven, match=r"bears no cosignature of witness\.example"):
        verify(evidence, LEDGER.key, [Signer.of("witness.example", 4, b"\7" * 32).key])


def test_the_verifier_needs_nothing_of_gebus() -> None:
    imports = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(FILE.read_text()))
        for name in (
            [one.name for one in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert imports - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_command_says_what_is_proven(evidence: dict[str, Any], tmp_path: Path) -> None:
    path, receipts = tmp_path / "evidence.json", tmp_path / "receipts.jsonl"
    path.write_text(json.dumps(evidence))
    receipts.write_text("".join(f"{one.encode()}\n" for one in BATCHES[200]))
    done = alone(path, "--ledger", str(LEDGER.key), "--witness", str(WITNESS.key), "--record", str(receipts))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PROVEN"), done.stderr
    assert "grant a/b#1" in done.stdout
    assert "delivered 2020-02-01T00:00:20+00:00" in done.stdout
    assert LEDGER.key.fingerprint.hex() in done.stdout
    done = alone(path)
    assert done.returncode == 3
    assert "WHOLE, BUT NOT PROVEN" in done.stdout
    receipts.write_text(receipt(5).encode() + "\n")
    done = alone(path, "--ledger", str(LEDGER.key), "--record", str(receipts))
    assert done.returncode == 1
    assert "NOT PROVEN" in done.stderr
    assert "it is about none of the records in" in done.stderr


def alone(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As somebody without gebus runs it: isolated, so that only installed packages can be imported."""
    return subprocess.run(
        [sys.executable, "-I", str(FILE), str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read as JSON"),
        (b"[]", "names no ledger's key"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"keys": {"ledger": "x"}}', "is no key"),
        (b" " * (1 << 20) + b"1", "has more than 1048576 bytes"),
        (b"\xff", "cannot be read as JSON"),
    ],
)
def test_hostile_files_are_refused_with_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    (tmp_path / "evidence.json").write_bytes(content)
    assert main([str(tmp_path / "evidence.json")]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({**json.loads(receipt(1).encode()), "v": 2}),
        receipt(1).encode().replace('"key": "', '"key": "='),
    ],
)
def test_what_is_no_receipt_is_refused_with_words(text: str) -> None:
    with pytest.raises(Stopped, match=r"f:3 is no receipt: .*`gebus consume FEED --as PARTY --receipts FILE` writes"):
        Receipt.decode(text, "f:3")


def test_keys_in_evidence_are_those_of_the_ledger(evidence: dict[str, Any]) -> None:
    assert VerifierKey.parse(evidence["keys"]["ledger"]) == LEDGER.key
    assert evidence["keys"]["fingerprints"][str(WITNESS.key)] == WITNESS.key.fingerprint.hex()
    assert BUS in LEDGER.key.name
