"""The keys of token masks: one secret of the bus, one key a consumer and purpose."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from gebus.model.errors import StackError

_BYTES = 32


def token_key(master: bytes, consumer: str, purpose: str) -> bytes:
    """The token key of a consumer and purpose.

    Promised: the same three give the same key; no two consumers or purposes share one, so that their tokens cannot be
    compared. Not promised: anything, once the master secret is known.
    """
    return hmac.new(master, f"{consumer}\0{purpose}".encode(), hashlib.sha256).digest()


def master_secret(home: Path) -> bytes:
    """The secret behind all token keys in `home`, made by whoever first needs it; readable by its owner alone."""
    path = home / "secrets" / "token-master"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # Written aside (0600), then linked: of several workers that start at once exactly one makes the secret.
        with tempfile.NamedTemporaryFile(prefix=".token-master.", dir=path.parent) as aside:
            aside.write(secrets.token_bytes(_BYTES))
            aside.flush()
            os.fsync(aside.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(aside.name)
    master = path.read_bytes()
    if len(master) != _BYTES:
        raise StackError(
            f"{path} holds {len(master)} bytes, not {_BYTES}: it is not the secret of the tokens; restore it from a "
            "copy, or delete it and accept that every token changes"
        )
    return master
