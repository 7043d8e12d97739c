"""What is run is what was pinned, byte for byte, and it is fetched once."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests
from jgo.maven import MavenContext

from gebus.model.errors import StackError
from gebus.stack import artifacts
from gebus.stack.report import Silent

JAR, ARCHIVE = "org/example/broker/1.0/broker-1.0.jar", "org/example/app/2.0/app-2.0-all.tar.gz"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def archive(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


MEMBERS = {"run.jar": b"run", "lib/a.jar": b"a"}
REMOTE = {JAR: b"broker", ARCHIVE: archive(MEMBERS)}


class Remote:
    """Stands for the network: hands out what it has, and counts."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files, self.asked = dict(files), []

    def fetch(self, context: MavenContext, path: str) -> None:
        self.asked.append(path)
        if path not in self.files:
            raise requests.ConnectionError("no route to host")
        target = context.repo_cache / path
        target.parent.mkdir(parents=True)
        target.write_bytes(self.files[path])


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    remote = Remote(REMOTE)
    pinned = {
        "maven.sha256": {path: sha256(content) for path, content in REMOTE.items()},
        "registry.sha256": {path: sha256(content) for path, content in MEMBERS.items()},
    }
    monkeypatch.setattr(artifacts, "pins", pinned.__getitem__)
    monkeypatch.setattr(artifacts, "_fetch_one", remote.fetch)
    return remote


def test_everything_is_fetched_verified_and_unpacked(tmp_path: Path, remote: Remote) -> None:
    found = artifacts.prepare(tmp_path, Silent())
    assert [path.read_bytes() for path in found.kafka] == [b"broker"]
    assert (found.registry / "lib" / "a.jar").read_bytes() == b"a"
    assert sorted(remote.asked) == sorted(REMOTE)
    assert not list(tmp_path.glob("incoming-*"))


def test_nothing_is_asked_for_when_everything_is_there(tmp_path: Path, remote: Remote) -> None:
    first = artifacts.prepare(tmp_path, Silent())
    remote.files.clear()
    remote.asked.clear()
    assert artifacts.prepare(tmp_path, Silent()) == first
    assert remote.asked == []


def test_only_what_is_missing_is_fetched_again(tmp_path: Path, remote: Remote) -> None:
    found = artifacts.prepare(tmp_path, Silent())
    found.kafka[0].unlink()
    remote.asked.clear()
    artifacts.prepare(tmp_path, Silent())
    assert remote.asked == [JAR]


@pytest.mark.parametrize("place", [f"maven/{JAR}", "registry/*/lib/a.jar"])
@pytest.mark.usefixtures("remote")
def test_one_altered_byte_is_refused_with_name_and_digests(tmp_path: Path, place: str) -> None:
    artifacts.prepare(tmp_path, Silent())
    (path,) = tmp_path.glob(place)
    content = bytearray(path.read_bytes())
    expected = sha256(bytes(content))
    content[0] ^= 1
    path.write_bytes(content)
    with pytest.raises(StackError) as caught:
        artifacts.prepare(tmp_path, Silent())
    for word in (str(path), expected, sha256(bytes(content)), "delete"):
        assert word in str(caught.value)
    assert path.exists()


@pytest.mark.usefixtures("remote")
def test_an_unknown_file_beside_the_program_is_refused(tmp_path: Path) -> None:
    found = artifacts.prepare(tmp_path, Silent())
    (found.registry / "lib" / "evil.jar").write_bytes(b"evil")
    with pytest.raises(StackError, match=rf"evil\.jar is unknown: sha256 expected none, found {sha256(b'evil')}"):
        artifacts.prepare(tmp_path, Silent())


def test_a_wrong_download_is_refused_and_not_kept(tmp_path: Path, remote: Remote) -> None:
    remote.files[JAR] = b"not the broker"
    with pytest.raises(StackError, match=rf"broker-1\.0\.jar .* found {sha256(b'not the broker')}"):
        artifacts.prepare(tmp_path, Silent())
    assert not (tmp_path / "maven").exists()
    remote.files[JAR] = REMOTE[JAR]
    artifacts.prepare(tmp_path, Silent())


def test_without_network_the_message_says_what_is_needed(tmp_path: Path, remote: Remote) -> None:
    del remote.files[ARCHIVE]
    with pytest.raises(StackError, match=r"no route to host.*first `gebus up` needs Maven's central repository"):
        artifacts.prepare(tmp_path, Silent())


@pytest.mark.usefixtures("remote")
def test_a_missing_file_of_the_unpacked_program_is_refused(tmp_path: Path) -> None:
    found = artifacts.prepare(tmp_path, Silent())
    (found.registry / "run.jar").unlink()
    with pytest.raises(StackError, match=r"run\.jar is not what gebus was tested with: .* found no file"):
        artifacts.prepare(tmp_path, Silent())


@pytest.mark.usefixtures("remote")
def test_an_unpacking_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    found = artifacts.prepare(tmp_path, Silent())
    half = found.registry.with_name(f".{found.registry.name}")
    found.registry.rename(half)
    (half / "run.jar").unlink()
    assert artifacts.prepare(tmp_path, Silent()) == found


def test_the_pinned_files_are_those_of_the_programs() -> None:
    maven, registry = artifacts.pins("maven.sha256"), artifacts.pins("registry.sha256")
    assert any(path.endswith("kafka_2.13-4.3.1.jar") for path in maven)
    assert sum(path.endswith(".tar.gz") for path in maven) == 1
    assert "quarkus-run.jar" in registry
    assert all(len(digest) == 64 for digest in (*maven.values(), *registry.values()))
