"""What `up` checks before it starts anything."""

from __future__ import annotations

import errno
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest
from tests.running_stack import free_ports

from gebus.model.errors import StackError
from gebus.stack import artifacts
from gebus.stack.layout import Ports
from gebus.stack.report import Silent
from gebus.stack.stack import down, status, up

Usage = namedtuple("Usage", "total used free")


def test_a_taken_port_is_named_with_its_owner(tmp_path: Path) -> None:
    ports = free_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports.registry))
        other.listen()
        with pytest.raises(StackError, match=rf"port {ports.registry} is taken by process \d+ .*--port-base"):
            up(tmp_path / "home", tmp_path, ports, Silent())
    assert not status(tmp_path / "home").running


def test_a_disk_with_little_room_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 100 << 20))
    with pytest.raises(StackError, match="has 100 MiB free, and the stack needs 512 MiB"):
        up(tmp_path / "home", tmp_path, free_ports(), Silent())


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only file system")])
def test_a_disk_that_cannot_be_written_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(code, words, "/disk/file")

    monkeypatch.setattr(artifacts, "prepare", full)
    with pytest.raises(StackError, match=rf"cannot write /disk/file: {words}.*the stack lives in"):
        up(tmp_path / "home", tmp_path, free_ports(), Silent())


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StackError, match=r"cannot write .*home"):
        up(tmp_path / "home", tmp_path, free_ports(), Silent())


def test_nothing_to_stop_is_no_error(tmp_path: Path) -> None:
    assert down(tmp_path / "absent", Silent()) == []
    assert down(tmp_path, Silent()) == []


def test_where_nothing_was_started_nothing_runs(tmp_path: Path) -> None:
    found = status(tmp_path / "absent")
    assert not found.running
    assert [server.state for server in found.servers] == ["stopped", "stopped"]
    assert not (tmp_path / "absent").exists()


def test_the_four_ports_are_in_a_row() -> None:
    assert Ports(30000).all() == (30000, 30001, 30002, 30003)
    assert Ports(30000).registry_url == "https://127.0.0.1:30002"
