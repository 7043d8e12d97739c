"""The ledger on the real Kafka: what is delivered is proven, what is changed is named, and a crash changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
from tests.integration.lanes.kit import Bed, record, wait_until, write_catalogue
from tests.integration.ledger.kit import LedgerBed, receipt
from tests.running_stack import RunningStack

from gebus.kafka.admin import Admin
from gebus.ledger import verify_evidence
from gebus.ledger.leaves import bus_of

NOW = int(time.time() * 1000)


def test_a_delivery_of_the_lanes_is_proven_offline(ledger_bed: LedgerBed, tmp_path: Path) -> None:
    bed = ledger_bed.bed
    receipts, evidence = tmp_path / "receipts.jsonl", tmp_path / "evidence.json"
    with (
        ledger_bed.ledger() as first,
        bed.worker() as worker,
    ):
        worker.wait_live()
        bed.publish([record(f"e-{number}", entity=f"person-{number % 3}") for number in range(40)])
        wait_until(lambda: len(bed.ids("all")) == 40, "40 deliveries")
        first.stop()
        with ledger_bed.witness() as (_, told), ledger_bed.ledger("--witness", told):
            ledger_bed.verified()
            feed = next(one.name for one in bed.plan.feeds if one.name.endswith("-all"))
            consumer = feed.partition("/")[0]
            done = ledger_bed.command(
                "consume", feed, "--as", consumer, "--receipts", str(receipts), "--format", "jsonl"
            )
            assert done.returncode == 0, done.stderr
            assert len(receipts.read_text().splitlines()) == 40
            assert receipts.stat().st_mode & 0o777 == 0o600
            arguments = ("--url", ledger_bed.url, "--line", "17", "-o", str(evidence))
            done = ledger_bed.command("ledger", "prove", str(receipts), *arguments)
            assert done.returncode == 0, done.stderr
            shown = ledger_bed.command("ledger", "subject", "person-1", "--json")
            rows = [row for row in json.loads(shown.stdout) if row["feed"] == feed]
            assert sum(row["records"] for row in rows) == 13
            assert {row["mode"] for row in rows} == {"normal"}
    assert "value" not in json.loads(evidence.read_text())["record"]
    keys = json.loads(evidence.read_text())["keys"]
    trusted = ("--ledger", keys["ledger"], "--witness", keys["witnesses"][0])
    done = alone(str(evidence), *trusted, "--record", str(receipts))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("PROVEN\n")
    assert f"feed {feed}" in done.stdout
    assert "gebus-witness saw it at" in done.stdout


def alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The verifier as somebody without gebus runs it: its file, `cryptography`, and no network."""
    path = Path(verify_evidence.__file__)
    no_network = (
        "import socket, sys, runpy\n"
        "def refuse(*_, **__): raise AssertionError('it asks the network')\n"
        "socket.socket = refuse\n"
        f"sys.argv = {[str(path), *arguments]!r}\n"
        f"runpy.run_path({str(path)!r}, run_name='__main__')\n"
        "assert not any(name.startswith('gebus') for name in sys.modules)\n"
    )
    return subprocess.run(
        [sys.executable, "-I", "-c", no_network], capture_output=True, text=True, timeout=60, check=False
    )


def test_killed_at_any_moment_the_same_leaves_make_the_same_tree(ledger_bed: LedgerBed) -> None:
    bus = bus_of(ledger_bed.bed.stack.connection("gebus-ledger"))
    for kill in range(3):
        with ledger_bed.ledger() as running:
            batches = [("a/b", [receipt(bus, "a/b", number)], NOW + number) for number in range(400)]
            before = ledger_bed.size()
            ledger_bed.write(batches)
            wait_until(lambda before=before, kill=kill: ledger_bed.size() >= before + 100 * kill, "growth")
            running.process.kill()
            running.process.wait(10)
    with ledger_bed.ledger():
        ledger_bed.verified()


def test_what_was_aborted_is_not_in_the_tree(ledger_bed: LedgerBed) -> None:
    bus = bus_of(ledger_bed.bed.stack.connection("gebus-ledger"))
    with ledger_bed.ledger():
        before = ledger_bed.verified()
        ledger_bed.write([("a/aborted", [receipt(bus, "a/aborted", 1)], NOW)], commit=False)
        ledger_bed.write([("a/b", [receipt(bus, "a/b", 1000)], NOW)])
        wait_until(lambda: ledger_bed.size() > before, "the leaf after it")
        assert ledger_bed.verified() == before + 1


def test_a_receipt_of_another_bus_or_of_nothing_is_refused_with_words(ledger_bed: LedgerBed, tmp_path: Path) -> None:
    bus = bus_of(ledger_bed.bed.stack.connection("gebus-ledger"))
    path, out = tmp_path / "receipts.jsonl", tmp_path / "evidence.json"
    with ledger_bed.ledger():
        ledger_bed.verified()
        for wrong, words in (
            (receipt("another", "a/b", 1), "the receipt is of the bus another"),
            (receipt(bus, "a/never", 1), "no such delivery in feed a/never"),
            (receipt(bus, "a/b", 5_000_000), "no such delivery in feed a/b"),
        ):
            path.write_text(wrong.encode() + "\n")
            done = ledger_bed.command("ledger", "prove", str(path), "-o", str(out), "--url", ledger_bed.url)
            assert done.returncode == 1
            assert words in done.stderr, done.stderr
            assert not out.exists()
        path.write_text("{}\n")
        done = ledger_bed.command("ledger", "prove", str(path), "-o", str(out), "--url", ledger_bed.url)
        assert "is no receipt: its keys are v, bus, feed" in done.stderr
    done = ledger_bed.command("ledger", "watch", "--url", ledger_bed.url)
    assert done.returncode == 1
    assert "no ledger answers at" in done.stderr


def test_metrics_and_watch_tell_of_growth(ledger_bed: LedgerBed) -> None:
    with ledger_bed.witness() as (_, told), ledger_bed.ledger("--witness", told) as running:
        ledger_bed.verified()
        wait_until(lambda: 'gebus_ledger_witness_up{witness="gebus-witness"} 1.0' in running.metrics(), "a cosignature")
        key = told.partition("@")[0]
        done = ledger_bed.command("ledger", "watch", "--url", ledger_bed.url, "--witness", key, "--most", "1")
        assert done.returncode == 0, done.stderr
        assert f"{ledger_bed.size()} leaves" in done.stdout
        assert "cosigned 20" in done.stdout
        assert f"gebus_ledger_size {float(ledger_bed.size())}" in running.metrics()
        assert running.stop() < 10


def test_a_witness_that_is_down_or_refuses_is_said_and_nothing_waits_for_it(ledger_bed: LedgerBed) -> None:
    bus = bus_of(ledger_bed.bed.stack.connection("gebus-ledger"))
    with ledger_bed.witness() as (_, told):
        pass
    with ledger_bed.ledger("--witness", told) as running:
        before = ledger_bed.size()
        ledger_bed.write([("a/b", [receipt(bus, "a/b", 2000)], NOW)])
        wait_until(lambda: ledger_bed.size() > before, "a checkpoint without it")
        running.wait_for("did not cosign")
        assert 'gebus_ledger_witness_up{witness="gebus-witness"} 0.0' in running.metrics()


def test_a_ledger_that_was_rolled_back_signs_nothing_until_it_has_come_as_far(
    ledger_bed: LedgerBed, tmp_path: Path
) -> None:
    bus = bus_of(ledger_bed.bed.stack.connection("gebus-ledger"))
    with ledger_bed.ledger():
        ledger_bed.verified()
    old = ledger_bed.copy(tmp_path / "old")
    with ledger_bed.ledger():
        before = ledger_bed.size()
        ledger_bed.write([("a/b", [receipt(bus, "a/b", number)], NOW) for number in range(3000, 3010)])
        wait_until(lambda: ledger_bed.size() == before + 10, "ten leaves more")
    ledger_bed.directory.rename(tmp_path / "new")
    old.rename(ledger_bed.directory)
    done = ledger_bed.command("ledger", "verify")
    assert done.returncode == 1
    assert "rolled back: gebus.ledger.checkpoints" in done.stdout
    with ledger_bed.ledger():
        assert ledger_bed.verified() == before + 10


def test_another_home_of_the_same_bus_comes_to_the_same_tree(ledger_bed: LedgerBed, tmp_path: Path) -> None:
    with ledger_bed.ledger():
        ledger_bed.verified()
    first = ledger_bed.kept()
    ledger_bed.directory.rename(tmp_path / "away")
    with ledger_bed.ledger():
        ledger_bed.verified()
    assert ledger_bed.kept() == first


def test_tampered_files_are_named_and_not_built_upon(ledger_bed: LedgerBed) -> None:
    with ledger_bed.ledger():
        ledger_bed.verified()
    bundle = ledger_bed.directory / "tile/entries/000"
    content = bytearray(bundle.read_bytes())
    content[40] ^= 1
    bundle.write_bytes(content)
    done = ledger_bed.command("ledger", "verify", "--json")
    assert done.returncode == 1
    kinds = [(one["kind"], one["place"]) for one in json.loads(done.stdout)["findings"]]
    assert ("changed", "leaf 0 in the ledger's files") in kinds
    content[40] ^= 1
    bundle.write_bytes(content)
    assert ledger_bed.command("ledger", "verify").returncode == 0


def test_the_ledger_may_read_leaves_and_write_checkpoints_and_nothing_else(ledger_bed: LedgerBed) -> None:
    with Admin(ledger_bed.bed.stack.connection()) as admin:
        rights = {(acl.name, acl.operation) for acl in admin.acls() if acl.principal == "gebus-ledger"}
    leaves, checkpoints = "gebus.ledger.leaves", "gebus.ledger.checkpoints"
    assert rights == {
        (leaves, "read"), (leaves, "describe"),
        (checkpoints, "read"), (checkpoints, "describe"), (checkpoints, "write"),
    }  # fmt: skip


def test_keys_are_made_and_printed_as_others_take_them(ledger_bed: LedgerBed) -> None:
    done = ledger_bed.command("ledger", "keys")
    assert done.returncode == 0, done.stderr
    ledger, _, witness, fingerprint = done.stdout.splitlines()
    assert ledger.startswith("ledger: gebus/")
    key = witness.removeprefix("witness: ")
    assert verify_evidence.VerifierKey.parse(key).fingerprint.hex() in fingerprint
    done = ledger_bed.command("ledger", "keys", "--for-ledger")
    assert done.stdout == f"{key}@http://127.0.0.1:9471\n"


def test_hostile_requests_are_answered_and_hurt_nobody(ledger_bed: LedgerBed) -> None:
    with ledger_bed.ledger() as running, httpx.Client(base_url=ledger_bed.url, timeout=10) as client:
        ledger_bed.verified()
        for path in ("tile/0/../../state.json", "tile/9/000", "state.json", "tile/64/000", "tile/0/1", "index.sqlite"):
            assert client.get(f"/{path}").status_code == 404, path
        assert client.get("/proof/inclusion?leaf=999999999999").status_code == 400
        assert client.get("/proof/consistency?old=-1").status_code == 400
        assert client.get("/proof/consistency?old=0&new=99999999999").status_code == 400
        for body in (b"", b"[" * 60_000, b"{}", b'{"bus":1}', b"\xff"):
            assert client.post("/evidence", content=body).status_code == 400
        assert client.post("/evidence", content=b"x" * 100_000).status_code == 413
        assert client.get("/checkpoint").status_code == 200
        assert running.process.poll() is None


def test_sensitive_feeds_wait_for_a_ledger_that_does_not_sign_and_lose_nothing(
    stack: RunningStack, ledger_bed: LedgerBed, tmp_path: Path
) -> None:
    root = tmp_path / "schemas"
    write_catalogue(root, "sensitive")
    event = root / "events/sensitive/Reading.avsc"
    event.write_text(event.read_text().replace('"classification": 2', '"classification": 3'))
    bed = Bed(stack, root, "sensitive")
    bed.apply()
    with ledger_bed.ledger():
        ledger_bed.verified()
    with bed.worker(options=("--ledger-seconds", "15")) as worker:
        worker.wait_live()
        worker.wait_for("sensitive feeds take no input until there is a newer one")
        bed.publish([record(f"e-{number}") for number in range(20)])
        worker.wait_for("sensitive feeds take no input")
        assert bed.taken() == 0
        with ledger_bed.ledger():
            wait_until(lambda: len(bed.ids("all")) == 20, "20 deliveries once the ledger signs again")
            assert "the ledger has signed again: sensitive feeds take input" in worker.said
    bed.close()
