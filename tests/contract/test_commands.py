"""publish and consume as a party types them, on the real stack."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contract.bus import CATALOGUE, CONSUMER, FEED, PUBLISHER, STRANGER, TOPIC, Bus, event, wait_until

from gebus.cli import main

GEBUS = str(Path(sys.executable).with_name("gebus"))


@pytest.fixture
def gebus(stack):
    """Run a command on the stack of the session."""

    def run(*arguments: str, data: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        env = stack.env | {"GEBUS_CATALOGUE": str(CATALOGUE)} | environment
        return subprocess.run([GEBUS, *arguments], env=env, input=data, capture_output=True, timeout=120, check=False)

    return run


@pytest.fixture
def gebus_here(stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """The same without a process of its own, which takes a second to begin: its exit status, output and messages."""

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name, value in (stack.env | {"GEBUS_CATALOGUE": str(CATALOGUE)} | environment).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["gebus", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        out, errors = capfd.readouterr()
        return int(ended.value.code or 0), out, errors

    return run


def line(number: int, **changes: Any) -> bytes:
    return json.dumps(event(number) | {"price": "12.50"} | changes, ensure_ascii=False).encode() + b"\n"


def failed(done: subprocess.CompletedProcess[bytes], status: int = 1) -> str:
    assert done.returncode == status, done
    message = done.stderr.decode()
    assert "Traceback" not in message
    return message


def test_a_good_file_is_sent(gebus, bus: Bus, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(line(number) for number in range(100)))
    done = gebus("publish", TOPIC, str(file), "--as", PUBLISHER)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{TOPIC} as {PUBLISHER}: 100 sent, 0 refused\n"
    assert sorted(row.event(bus.catalogue)["stock"] for row in bus.written()) == list(range(100))


def test_bad_lines_are_listed_and_good_ones_sent(gebus, bus: Bus) -> None:
    bad = [b"{\n", line(1, price="1.005"), line(2, sellers=[{"name": "x"}]), b"\xff\n", line(3, source="mall")]
    done = gebus("publish", TOPIC, "-", "--as", PUBLISHER, data=line(7) + b"".join(bad) + line(8))
    assert done.returncode == 3
    assert done.stdout.decode() == f"{TOPIC} as {PUBLISHER}: 2 sent, 5 refused\n"
    places = [row.split(": ")[:2] for row in done.stderr.decode().splitlines()]
    assert places == [
        ["-:2", "the line"],
        ["-:3", "price"],
        ["-:4", "sellers[0].sold"],
        ["-:5", "the line"],
        ["-:6", "source"],
    ]
    assert sorted(row.event(bus.catalogue)["stock"] for row in bus.written()) == [7, 8]


def test_many_bad_lines_are_counted_and_a_machine_reads_them(gebus, bus: Bus) -> None:
    done = gebus("publish", TOPIC, "-", "--as", PUBLISHER, "--json", data=b"nonsense\n" * 500 + line(1))
    assert done.returncode == 3
    shown = json.loads(done.stdout)
    assert (shown["sent"], shown["refused"], len(shown["bad"])) == (1, 500, 20)
    assert shown["bad"][0] | {"line": 1, "path": "the line"} == shown["bad"][0]
    done = gebus("publish", TOPIC, "-", "--as", PUBLISHER, data=b"nonsense\n" * 500)
    assert done.stderr.decode().splitlines()[-1] == "and 480 more"
    assert len(bus.written()) == 1


def test_a_csv_file_is_sent(gebus, bus: Bus, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    names = [name for name in event(0) if name != "sellers"]
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(names)
        rows.writerows([event(number)[name] for name in names] for number in range(5))
        rows.writerow(["short"])
    done = gebus("publish", TOPIC, str(file), "--as", PUBLISHER)
    assert done.returncode == 3
    assert f"{file}:7: the row: 1 cells; allowed: {len(names)}, as the header has" in done.stderr.decode()
    assert sorted(row.event(bus.catalogue)["stock"] for row in bus.written()) == list(range(5))


def test_what_cannot_be_published_says_why(gebus_here, bus: Bus, tmp_path: Path) -> None:
    good, empty, unnamed = tmp_path / "a.jsonl", tmp_path / "empty.jsonl", tmp_path / "events"
    good.write_bytes(line(1))
    empty.write_bytes(b"")
    unnamed.write_bytes(line(1))

    def publish(topic: str, file: object, party: str = PUBLISHER, **environment: str) -> str:
        status, out, message = gebus_here("publish", topic, str(file), "--as", party, **environment)
        assert (status, out) == (1, "")
        return message

    assert "empty.jsonl holds no event" in publish(TOPIC, empty)
    assert "is a directory; publish its files one by one" in publish(TOPIC, tmp_path)
    assert "missing.jsonl cannot be read: No such file or directory" in publish(TOPIC, tmp_path / "missing.jsonl")
    assert "give --format jsonl or --format csv" in publish(TOPIC, unnamed)
    assert "no topic market.price_reprt; did you mean `market.price_report`?" in publish("market.price_reprt", good)
    assert "watch is no publisher of market.price_report; its publishers are shop, mall" in publish(
        TOPIC, good, "watch"
    )
    assert "has no party shp; did you mean `shop`?" in publish(TOPIC, good, "shp")
    assert "catalogue" in publish(TOPIC, good, GEBUS_CATALOGUE=str(tmp_path / "nowhere"))
    assert "no stack in" in publish(TOPIC, good, GEBUS_HOME=str(tmp_path / "nowhere"))
    assert bus.written() == []


def test_servers_that_are_down_and_a_wrong_password_are_said(gebus_here, bus: Bus, tmp_path: Path) -> None:
    connection = bus.connection(PUBLISHER)
    there = {
        "GEBUS_BOOTSTRAP": connection.bootstrap,
        "GEBUS_REGISTRY": connection.registry,
        "GEBUS_CA_FILE": str(connection.ca_file),
        "GEBUS_PASSWORD": "a-wrong-password",
    }
    file = tmp_path / "a.jsonl"
    file.write_bytes(line(1))

    def publish(**changes: str) -> str:
        status, _, message = gebus_here("publish", TOPIC, str(file), "--as", PUBLISHER, **there | changes)
        assert status == 1
        return message

    wrong = publish()
    assert "refused to log in shop" in wrong
    assert "a-wrong-password" not in wrong
    assert "Kafka at 127.0.0.1:1 does not answer" in publish(GEBUS_BOOTSTRAP="127.0.0.1:1")
    password = connection.password.get_secret_value()
    silent = publish(GEBUS_PASSWORD=password, GEBUS_REGISTRY="https://127.0.0.1:1")
    assert "the registry at https://127.0.0.1:1 does not answer" in silent


def test_a_feed_is_shown_in_each_form(gebus, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1, event_id="=1+1"), bus.feed_value(2)]})
    plain = gebus("consume", FEED, "--as", CONSUMER)
    assert (plain.returncode, plain.stderr) == (0, b"2 records of dear-masks\n")
    assert plain.stdout.decode().splitlines() == [
        "event_id\toccurred_at\tnumber\tseen_on",
        "=1+1\t2020-02-01T00:00:00.001Z\t1\t",
        "e-2\t2020-02-01T00:00:00.002Z\t2\t",
    ]
    lines = gebus("consume", f"{CONSUMER}/{FEED}", "--as", CONSUMER, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(row)["number"] for row in lines] == [1, 2]
    sheet = gebus("consume", FEED, "--as", CONSUMER, "--format", "csv").stdout.decode()
    assert list(csv.reader(io.StringIO(sheet)))[1][0] == "'=1+1"
    assert gebus("consume", FEED, "--as", CONSUMER).stdout == plain.stdout, "reading must leave no trace"


def test_a_feed_is_shown_from_a_time(gebus_here, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1)]})
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for start, count in (("1h", 1), ("2020-02-01T08:00:00+08:00", 1), ("2020-02-01T00:00Z", 1), (later, 0)):
        status, out, _ = gebus_here("consume", FEED, "--as", CONSUMER, "--from", start, "--format", "jsonl")
        assert (start, status, out.count("\n")) == (start, 0, count)
    for wrong in ("yesterday", "2020-02-01", "2020-02-01T08:00:00", "-1h"):
        status, _, message = gebus_here("consume", FEED, "--as", CONSUMER, f"--from={wrong}")
        assert (status, "is no instant" in message) == (2, True)


def test_another_ones_feed_is_denied(gebus, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1, event_id="secret-id")]})
    done = gebus("consume", f"{CONSUMER}/{FEED}", "--as", STRANGER)
    assert "press may not read feed.watch.dear-masks" in failed(done)
    assert b"secret-id" not in done.stdout + done.stderr


def test_following_shows_what_comes_until_it_is_interrupted(stack, bus: Bus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [GEBUS, "consume", FEED, "--as", CONSUMER, "--follow", "--format", "jsonl"]
    with out.open("wb") as stdout, bus.delivering() as deliver:
        following = subprocess.Popen(command, env=stack.env, stdout=stdout, stderr=subprocess.PIPE)
        try:
            for number in (1, 2):
                deliver({0: [bus.feed_value(number)]})
                wait_until(lambda number=number: out.read_bytes().count(b"\n") == number)
            following.send_signal(signal.SIGINT)
            _, errors = following.communicate(timeout=20)
        finally:
            following.kill()
            following.wait()
    assert (following.returncode, errors) == (0, b"2 records of dear-masks\n")


def test_a_reader_that_leaves_the_pipe_is_no_error(stack, bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(3000)]})
    script = f"set -o pipefail; {GEBUS} consume {FEED} --as {CONSUMER} --format jsonl | head -1"
    done = subprocess.run(["/bin/bash", "-c", script], env=stack.env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["number"] == 0
    assert b"BrokenPipe" not in done.stderr
    assert os.linesep.encode() in done.stdout
