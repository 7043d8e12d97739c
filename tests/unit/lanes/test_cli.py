"""run lanes, accounts, dead-letters on the command line: help, refusals, tables for people and lines for machines."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.unit.lanes.fake_kernel import Dead
from tests.unit.lanes.test_records import message
from typer.testing import CliRunner

from gebus.cli import build
from gebus.cli import lanes as group
from gebus.lanes.accounts import Counts, Row
from gebus.lanes.dead_letters import dead_letter, read_dead_letter
from gebus.lanes.supervisor import Supervisor
from gebus.model.errors import ContractError, GebusError, NotFound, StackError

SCHEMAS = Path(__file__).parents[3] / "schemas"


def run(*words: str, home: Path) -> str:
    """Run a command on a home without a stack; the error that ends it, as it is shown."""
    environment = {"GEBUS_HOME": str(home), "GEBUS_CATALOGUE": str(SCHEMAS)}
    result = CliRunner().invoke(build(), words, env=environment)
    if isinstance(result.exception, GebusError):
        raise result.exception
    return result.output


@pytest.mark.parametrize("words", [("run", "lanes"), ("accounts",), ("dead-letters", "supply.need")])
def test_without_a_stack_each_says_how_to_get_one(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(StackError, match="start one with `gebus up`"):
        run(*words, home=tmp_path)


@pytest.mark.parametrize("words", [("run", "lanes"), ("accounts",), ("dead-letters", "supply.need")])
def test_a_catalogue_that_is_not_there_is_named(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="nowhere"):
        run(*words, "--catalogue", str(tmp_path / "nowhere"), home=tmp_path)


def test_an_unknown_contract_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"supply\.neeed: there is no such topic contract in .*supply\.need"):
        run("dead-letters", "supply.neeed", home=tmp_path)


@pytest.mark.parametrize("words", [("run", "lanes", "--workers", "0"), ("dead-letters", "supply.need", "--limit", "0")])
def test_a_number_out_of_range_is_a_usage_error(words: tuple[str, ...], tmp_path: Path) -> None:
    result = CliRunner().invoke(build(), words, env={"GEBUS_HOME": str(tmp_path)})
    assert result.exit_code == 2


@pytest.mark.parametrize(("words", "ports"), [((), [9464, 9465]), (("--metrics-port", "9000"), [9000, 9001])])
def test_every_worker_has_an_endpoint(
    words: tuple[str, ...], ports: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert commands_of_workers(monkeypatch, tmp_path, *words) == [["--metrics-port", str(port)] for port in ports]


def test_metrics_can_be_had_by_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert commands_of_workers(monkeypatch, tmp_path, "--metrics-port", "0") == [[], []]


def commands_of_workers(monkeypatch: pytest.MonkeyPatch, home: Path, *words: str) -> list[list[str]]:
    """What two workers are told of their metrics, by a supervisor that only starts them."""
    started: list[list[str]] = []

    class StartsEach(Supervisor):
        def run(self, stopping: object, wait: object) -> None:
            del stopping, wait
            for slot in range(2):
                self._spawn(slot, 0)

    monkeypatch.setattr("gebus.lanes.supervisor.Supervisor", StartsEach)
    monkeypatch.setattr("gebus.lanes.supervisor.spawn_worker", started.append)
    monkeypatch.setattr("gebus.kafka.lane_clients.require_answer", lambda *_: None)
    monkeypatch.setattr(group.Connection, "load", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    run("run", "lanes", "--workers", "2", *words, home=home)
    return [command[command.index("0", command.index("--restarts")) + 1 :] for command in started]


def test_the_group_explains_itself(tmp_path: Path) -> None:
    assert "lanes" in run("run", "--help", home=tmp_path)
    assert "nothing is lost either way" in " ".join(run("run", "lanes", "--help", home=tmp_path).split())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gebus.cli._lanes.find_spec", lambda name: None if name == "gebus_kernel" else object())
    with pytest.raises(GebusError, match=r"gebus_kernel: not installed; .* pip install 'gebus\[lanes\]'"):
        run("accounts", home=tmp_path)


def test_accounts_are_a_table_with_whole_lines_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("a.b", "a.b.x", "", Counts(taken=1234567, dead=2)),
        Row("a.b", "a.b.x", "c/f", Counts(taken=1234567, delivered=1234000, filtered=565, dead=2)),
    ]
    group.print_accounts(rows, {}, good=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == (
        ["topic", "feed", "taken", "more", "delivered", "filtered", "duplicate", "withheld", "dead", "waiting"]
    )
    assert lines[1].split() == ["a.b.x", "(source)", "1,234,567", "2"]
    assert lines[2].split() == ["a.b.x", "c/f", "1,234,567", "0", "1,234,000", "565", "0", "0", "2", "0"]
    assert lines[3] == "every record is accounted for"


def test_accounts_that_do_not_add_up_are_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    group.print_accounts([Row("a.b", "a.b.x", "c/f", Counts(taken=2, delivered=1))], {}, good=False)
    out = capsys.readouterr().out
    assert "does not add up" in out
    assert "records are NOT accounted for" in out


def test_dead_letters_are_shown_with_reason_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    kept = dead_letter(message(b"k", b"\x1b[31mred", []), Dead(0, "wrong_key", "the key is not entity_id", "entity_id"))
    group._print_dead_letters("a.b", [read_dead_letter(kept.key, kept.value, kept.headers)])
    out = capsys.readouterr().out
    assert "a.b.x/3@42" in out
    assert "wrong_key" in out
    assert "\x1b" not in out
    group._print_dead_letters("a.b", [])
    assert capsys.readouterr().out == "a.b has no dead letters\n"
