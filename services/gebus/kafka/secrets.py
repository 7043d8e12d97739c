"""The secrets of one home: a directory that only its owner may enter, with one file a principal."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from gebus.model.errors import Denied

_PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Secrets:
    """The passwords below `directory`.

    Promised: directory 0700 and files 0600, whatever the umask; a file is written whole or not at all; no password in
    a message or a repr. Not promised: encryption at rest; who can read as this user can read the passwords.
    """

    directory: Path

    def read(self, principal: str) -> SecretStr:
        """The password of a principal; Denied if this home holds none."""
        path = self._path(principal)
        try:
            return SecretStr(json.loads(path.read_text())["password"])
        except FileNotFoundError:
            raise Denied(
                f"no secret of principal {principal}: {path} is missing; "
                "`gebus apply` makes the secrets of the parties, `gebus up` those of the bus"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise Denied(
                f"the secret of principal {principal} cannot be read: {path} is not a JSON object with a password; "
                "delete the file, then run `gebus apply`"
            ) from None

    def ensure(self, principal: str) -> SecretStr:
        """The password of a principal, made now if there is none."""
        if not self._path(principal).exists():
            self.write(principal, SecretStr(secrets.token_urlsafe(_PASSWORD_BYTES)))
        return self.read(principal)

    def write(self, principal: str, password: SecretStr) -> None:
        """Keep a password."""
        text = json.dumps({"principal": principal, "password": password.get_secret_value()})
        self.write_file(f"{principal}.json", text.encode())

    def remove(self, principal: str) -> None:
        """Forget a principal's password; nothing happens if there is none."""
        self._path(principal).unlink(missing_ok=True)

    def principals(self) -> list[str]:
        """Who has a password here, in order."""
        return sorted(path.stem for path in self.directory.glob("*.json"))

    def write_file(self, name: str, content: bytes) -> Path:
        """Keep `content`, readable by its owner alone, under `name`."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        path = self.directory / name
        # Written aside and renamed: a crash or a full disk leaves the old file, never half of the new one.
        aside = self.directory / f".{name}.{os.getpid()}"
        try:
            with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - Path.open cannot set the mode
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        return path

    def _path(self, principal: str) -> Path:
        return self.directory / f"{principal}.json"
