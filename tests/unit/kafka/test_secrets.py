"""Secrets: private, whole, and named when they are missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from gebus.kafka.secrets import Secrets
from gebus.model.errors import Denied


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_directory_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "deep" / "secrets")
    secrets.ensure("jd")
    assert (tmp_path / "deep" / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "deep" / "secrets" / "jd.json").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_was_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Secrets(tmp_path).ensure("jd")
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_secret_is_made_once_and_differs(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    assert secrets.ensure("jd") == secrets.ensure("jd") == secrets.read("jd")
    assert secrets.ensure("ali") != secrets.ensure("jd")
    assert secrets.principals() == ["ali", "jd"]


def test_a_secret_can_be_forgotten(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    secrets.write("jd", SecretStr("x"))
    secrets.remove("jd")
    secrets.remove("jd")
    with pytest.raises(Denied, match=r"no secret of principal jd: .*jd\.json is missing"):
        secrets.read("jd")


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", "not json"])
def test_a_broken_secret_is_denied_with_its_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "jd.json").write_text(content)
    with pytest.raises(Denied, match=r"jd\.json is not a JSON object with a password"):
        Secrets(tmp_path).read("jd")


def test_a_write_that_fails_leaves_the_old_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(tmp_path)
    before = secrets.ensure("jd")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        secrets.write("jd", SecretStr("new"))
    assert secrets.read("jd") == before
    assert [path.name for path in tmp_path.iterdir()] == ["jd.json"]
