"""Signed heads are C2SP's, and a signature that does not hold refuses the whole."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from tests.unit.ledger.kit import LEDGER, ORIGIN, WITNESS, head

from gebus.ledger.notes import LEDGER_KEY, WITNESS_KEY, Signer, checkpoint_body, parse_key, read_signer
from gebus.ledger.verify_evidence import NotProven, VerifierKey, open_checkpoint, open_note
from gebus.model.errors import Stopped

ROOT = bytes(range(32))
HEAD = head(5, ROOT)
KEYS = LEDGER.key, [WITNESS.key]
# The example of C2SP's signed-note.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1"
    "ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def test_the_example_of_the_specification_holds() -> None:
    key = VerifierKey.parse(C2SP_KEY)
    body, signatures = open_note(C2SP_NOTE, [key])
    assert body == "This is an example message.\n"
    assert [one.key for one in signatures] == [key]
    assert str(key) == C2SP_KEY
    assert key.fingerprint.hex().startswith("530d903a")


def test_a_checkpoint_says_what_the_specification_says() -> None:
    body = checkpoint_body(
        "example.com/behind-the-sofa", 20852163, base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    )
    assert body == "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_ledger_and_witness_are_known_by_their_signatures() -> None:
    opened = open_checkpoint(HEAD, *KEYS)
    assert (opened.origin, opened.size, opened.root) == (ORIGIN, 5, ROOT)
    assert [(one.key, one.time) for one in opened.signatures] == [(LEDGER.key, 0), (WITNESS.key, 7)]


def test_what_a_witness_signs_begins_as_the_specification_says() -> None:
    line = WITNESS.signature("a body\n", 1679315147)
    signed = base64.b64decode(line.split()[-1])
    assert signed[:4] == WITNESS.key.id
    assert int.from_bytes(signed[4:12], "big") == 1679315147
    WITNESS._private.public_key().verify(signed[12:], b"cosignature/v1\ntime 1679315147\na body\n")


def test_unknown_signatures_are_passed_over() -> None:
    other = Signer.of("other.example", WITNESS_KEY, b"\3" * 32)
    text = HEAD + other.signature(checkpoint_body(ORIGIN, 5, ROOT), 9)
    assert len(open_checkpoint(text, *KEYS).signatures) == 2


@pytest.mark.parametrize("seed", range(300))
def test_no_changed_checkpoint_says_something_else(seed: int) -> None:
    numbers = random.Random(seed)
    content = bytearray(HEAD.encode())
    kind, at = numbers.randrange(3), numbers.randrange(len(content))
    if kind == 0:
        content[at] ^= 1 << numbers.randrange(8)
    elif kind == 1:
        del content[at]
    else:
        content.insert(at, numbers.randrange(256))
    try:
        opened = open_checkpoint(content.decode(), *KEYS)
    except (NotProven, UnicodeDecodeError):
        return
    assert (opened.origin, opened.size, opened.root) == (ORIGIN, 5, ROOT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no signed note"),
        ("x\n\n", "no signed note"),
        (f"{ORIGIN}\n5\nAAAA\n\nnothing\n", "is no signature"),
        (f"{ORIGIN}\n5\nAAAA\n\n\u2014 x AAAA\n", "is no signature"),
        (f"{ORIGIN}\n5\nAAAA\n\n\u2014 x AAAAAAAA\n", "bears no signature of the ledger's key"),
        (LEDGER.note(f"{ORIGIN}\n05\nAAAA\n"), "an origin, a size and a root"),
        (LEDGER.note(f"{ORIGIN}\n5\nAAAA\n"), "root has 3 bytes"),
        (LEDGER.note(checkpoint_body("gebus/other", 5, ROOT)), "another bus's"),
        (LEDGER.note("x\ty\n1\nAAAA\n"), "no signed note"),
        (HEAD + "\u2014 x AAAAAAAA\n" * 70, "signatures; allowed: 64"),
        (HEAD.replace("\n5\n", "\n6\n"), "does not hold"),
    ],
)
def test_what_is_no_checkpoint_is_refused_with_words(text: str, words: str) -> None:
    with pytest.raises(NotProven, match=words):
        open_checkpoint(text, *KEYS)


@pytest.mark.parametrize(
    "text", ["", "x", "a+b", "a+00000000+AAAA", C2SP_KEY.replace("530d", "530e"), "a b" + C2SP_KEY]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NotProven, match=r"is no key|it was changed"):
        VerifierKey.parse(text)
    with pytest.raises(Stopped, match=r"--key: .*`gebus ledger keys` prints"):
        parse_key(text, LEDGER_KEY, "--key")


def test_a_key_of_the_other_kind_is_refused() -> None:
    with pytest.raises(Stopped, match="a witness's key, and a ledger's is needed"):
        parse_key(str(WITNESS.key), LEDGER_KEY, "--ledger")


def test_a_signer_is_made_once_and_shows_no_secret(tmp_path: Path) -> None:
    first = read_signer(tmp_path / "home/one.key", "name", LEDGER_KEY)
    again = read_signer(tmp_path / "home/one.key", "name", LEDGER_KEY)
    assert first.key == again.key
    assert repr(first) == f"Signer({first.key})"
    assert (tmp_path / "home/one.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "home/one.key").write_bytes(b"short")
    with pytest.raises(Stopped, match="is no key: 5 bytes"):
        read_signer(tmp_path / "home/one.key", "name", LEDGER_KEY)
