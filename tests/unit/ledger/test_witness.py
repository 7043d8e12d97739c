"""A witness cosigns growth alone; a ledger believes no witness unchecked."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.unit.ledger.kit import LEDGER, WITNESS, head, leaves, store

from gebus.ledger.cosigners import Cosigner, Cosigners
from gebus.ledger.files import Directory
from gebus.ledger.http import Answer, Request, Server
from gebus.ledger.notes import LEDGER_KEY, Signer, checkpoint_body
from gebus.ledger.store import Store
from gebus.ledger.tree import EMPTY_ROOT, consistency_path, head_in, root_of
from gebus.ledger.verify_evidence import leaf_hash, open_checkpoint
from gebus.ledger.witness import Witness
from gebus.model.errors import Stopped

LEAVES = leaves(400)
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
TIME = 1_580_515_200


def witness(path: Path) -> Witness:
    return Witness(Directory(path, durable=False), WITNESS, [LEDGER.key], lambda: TIME)


def note(size: int, root: bytes | None = None, signer: Signer = LEDGER) -> str:
    return signer.note(checkpoint_body(signer.key.name, size, root_of(HASHES[:size]) if root is None else root))


def body(old: int, size: int, text: str | None = None, path: list[bytes] | None = None) -> bytes:
    path = consistency_path(old, size, head_in(HASHES)) if path is None else path
    lines = [f"old {old}", *(base64.b64encode(step).decode() for step in path), "", text or note(size)]
    return "\n".join(lines).encode()


def post(to: Witness, content: bytes) -> tuple[int, str]:
    answer = to.answer(Request("POST", "add-checkpoint", {}, content))
    return answer.status, answer.content.decode()


def test_growth_is_cosigned_and_remembered(tmp_path: Path) -> None:
    for old, size in ((0, 0), (0, 5), (5, 5), (5, 256), (256, 400)):
        status, line = post(witness(tmp_path), body(old, size))
        assert status == 200, line
        opened = open_checkpoint(note(size) + line, LEDGER.key, [WITNESS.key])
        assert [one.time for one in opened.signatures] == [0, TIME]
        assert witness(tmp_path).sizes == {LEDGER.key.name: size}


def test_what_it_saw_is_served_with_its_cosignature(tmp_path: Path) -> None:
    import hashlib

    path = f"{hashlib.sha256(LEDGER.key.name.encode()).hexdigest()}/checkpoint"
    seen = witness(tmp_path)
    assert seen.answer(Request("GET", path, {}, b"")).status == 404
    post(seen, body(0, 5, head(5, root_of(HASHES[:5]), time=1)))
    answer = seen.answer(Request("GET", path, {}, b""))
    assert len(open_checkpoint(answer.content.decode(), LEDGER.key, [WITNESS.key]).signatures) == 2
    assert answer.content.decode().count("\u2014") == 2
    assert seen.answer(Request("GET", "name", {}, b"")).status == 404


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (body(0, 100), 409, "256"),
        (body(300, 400), 409, "256"),
        (body(400, 300, path=[]), 400, "old 400 is more than the checkpoint's 300"),
        (body(100, 200), 409, "256"),
        (body(256, 256, note(256, b"\1" * 32)), 422, "forked: two trees of 256 leaves have other roots"),
        (body(256, 300, note(300, b"\1" * 32)), 422, "forked: the tree of 300 leaves does not begin with the tree"),
        (body(256, 300, path=[]), 422, "forked|too short|no path"),
        (body(256, 300, path=[b"\1" * 32] * 60), 422, "too long"),
        (body(256, 300, note(300, signer=Signer.of("gebus/other", LEDGER_KEY, b"\7" * 32))), 404, "does not know"),
        (body(256, 300, note(300, signer=Signer.of(LEDGER.key.name, LEDGER_KEY, b"\7" * 32))), 403, "no signature of"),
        (body(256, 300, note(300).replace("\n300\n", "\n301\n")), 403, "does not hold"),
        (b"", 400, "allowed: `old` and a size"),
        (b"old -1\n\nx", 400, "allowed: `old` and a size"),
        (b"old 01\n\nx", 400, "allowed: `old` and a size"),
        (b"old 0\nAAAA\n\nx", 400, "no hash of 32 bytes"),
        (b"old 0\n\xff\n\nx", 400, "decode"),
        (body(256, 300, path=[b"\1" * 32] * 64), 400, "at most 63 hashes"),
    ],
)
def test_whatever_is_no_growth_is_refused_with_words(tmp_path: Path, content: bytes, status: int, words: str) -> None:
    seen = witness(tmp_path)
    assert post(seen, body(0, 256))[0] == 200
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    got, said = post(seen, content)
    assert got == status, said
    assert any(word in said for word in words.split("|")), said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_empty_tree_has_the_empty_root(tmp_path: Path) -> None:
    assert post(witness(tmp_path), body(0, 0, note(0, b"\1" * 32)))[0] == 422
    assert post(witness(tmp_path), body(0, 0, note(0, EMPTY_ROOT)))[0] == 200


def test_a_rollback_is_said_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen = witness(tmp_path)
    post(seen, body(0, 256))
    with caplog.at_level(logging.ERROR):
        post(seen, body(0, 100))
    assert "REFUSED: rolled back: gebus/bus-1 asks for 100 leaves, and this witness saw 256" in caplog.text


def test_a_memory_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    post(witness(tmp_path), body(0, 256))
    (path,) = tmp_path.glob("*.checkpoint")
    path.write_text(path.read_text().replace("\n256\n", "\n255\n"))
    with pytest.raises(Stopped, match=r"was changed: the signature of .* does not hold"):
        witness(tmp_path)


@contextmanager
def asked(
    answer: Callable[[Request], Answer], clock: list[float], url: str | None = None
) -> Iterator[tuple[Cosigners, Cosigner]]:
    with Server(0, answer) as server:
        one = Cosigner.parse(f"{WITNESS.key}@{url or server.url}")
        cosigners = Cosigners([one], lambda: clock[0])
        yield cosigners, one
        cosigners.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Store:
    return store(tmp_path / "ledger", LEAVES)


def ask(cosigners: Cosigners, ledger: Store, size: int) -> str:
    return cosigners.ask(note(size), size, ledger.tree(size))


def test_a_witness_that_is_slow_holds_no_checkpoint_up(ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gebus.ledger.cosigners._WHOLE", 0.1)
    goes_on, clock, questions = threading.Event(), [0.0], []

    def answer(request: Request) -> Answer:
        questions.append(request)
        goes_on.wait(30)
        return Answer(422, b"late")

    with asked(answer, clock) as (cosigners, one):
        assert ask(cosigners, ledger, 5) == ""
        assert one.problem == "no whole answer within 0.1 s"
        clock[0] = 100.0
        assert ask(cosigners, ledger, 5) == "", "it is still at the last question, and not asked another"
        assert len(questions) == 1
        goes_on.set()


def test_a_ledger_gets_its_cosignatures(tmp_path: Path, ledger: Store) -> None:
    seen, clock = witness(tmp_path / "w"), [0.0]
    with asked(seen.answer, clock) as (cosigners, one):
        for size in (5, 5, 300, 400):
            lines = ask(cosigners, ledger, size)
            assert len(open_checkpoint(note(size) + lines, LEDGER.key, [WITNESS.key]).signatures) == 2
        assert (one.problem, one.seen) == ("", 400)
    # A ledger that began anew asks first what the witness saw.
    with asked(seen.answer, clock) as (cosigners, one):
        assert one.seen == 0
        assert ask(cosigners, ledger, 400)


LIES = {
    "a signature of nothing": (Answer(200, b"hello\n"), "what it sent as its cosignature is none"),
    "no signature": (Answer(200, b""), "it sent no cosignature of its key"),
    "another's signature": (
        Answer(
            200,
            Signer.of("other", 4, b"\5" * 32).signature(checkpoint_body(LEDGER.key.name, 400, b"\1" * 32), 3).encode(),
        ),
        "it sent no cosignature of its key",
    ),
    "a signature of another head": (
        Answer(200, WITNESS.signature(checkpoint_body(LEDGER.key.name, 399, b"\1" * 32), 3).encode()),
        "does not hold",
    ),
    "a size that is none": (Answer(409, b"many\n"), "the size that it says it saw is none: 'many'"),
    "a larger tree": (Answer(409, b"401\n"), "the ledger was rolled back, or the witness lies"),
    "always a conflict": (Answer(409, b"3\n"), "it answered 409"),
    "a refusal": (Answer(422, b"forked\n"), "it answered 422: forked"),
    "too much": (Answer(200, b"x" * 100_000), "more than 65536 bytes"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_witness_that_lies_is_told_of_and_gives_nothing(
    ledger: Store, caplog: pytest.LogCaptureFixture, lie: str
) -> None:
    answer, words = LIES[lie]
    clock = [0.0]
    with asked(lambda _: answer, clock) as (cosigners, one), caplog.at_level(logging.WARNING):
        assert ask(cosigners, ledger, 400) == ""
        assert words in one.problem
        assert f"witness {WITNESS.key.name} at http://127.0.0.1:" in caplog.text
        assert "did not cosign" in caplog.text
        caplog.clear()
        ask(cosigners, ledger, 400)
        clock[0] = 11.0
        ask(cosigners, ledger, 400)
        assert "did not cosign" not in caplog.text, "a problem is said once"


def test_a_witness_that_is_down_is_asked_again_later(tmp_path: Path, ledger: Store) -> None:
    clock, asks = [0.0], []
    seen = witness(tmp_path / "w")

    def answer(request: Request) -> Answer:
        asks.append(request.path)
        if len(asks) == 1:
            raise Stopped("not now")
        return seen.answer(request)

    with asked(answer, clock) as (cosigners, one):
        assert ask(cosigners, ledger, 400) == ""
        assert "it answered 500: not now" in one.problem
        assert ask(cosigners, ledger, 400) == ""
        assert len(asks) == 1
        clock[0] = 11.0
        assert ask(cosigners, ledger, 400)
        assert one.problem == ""
    with asked(answer, clock, "http://127.0.0.1:1") as (cosigners, one):
        assert ask(cosigners, ledger, 400) == ""
        assert "refused" in one.problem


@pytest.mark.parametrize(
    "text", ["", "x@http://127.0.0.1:1", str(WITNESS.key), f"{WITNESS.key}@file:///x", f"{LEDGER.key}@http://x"]
)
def test_a_witness_is_named_by_key_and_address(text: str) -> None:
    with pytest.raises(Stopped, match="--witness"):
        Cosigner.parse(text)


def test_the_server_is_bounded_and_outlives_its_faults() -> None:
    def answer(request: Request) -> Answer:
        if request.path == "fault":
            raise ZeroDivisionError
        return Answer.text(200, request.path)

    with Server(0, answer) as server, httpx.Client(base_url=server.url, timeout=5) as client:
        assert client.get("/fault").status_code == 500
        assert client.get("/x").text == "x\n"
        assert client.post("/x", content=b"y" * 70_000).status_code == 413
        with pytest.raises(Stopped, match=r"cannot be had: .*; give another --port"):
            Server(int(server.url.rpartition(":")[2]), answer)
