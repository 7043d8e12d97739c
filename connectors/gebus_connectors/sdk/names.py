"""What to say after a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them, as the end of a message."""
    names = sorted(known)
    found = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else f"; it has: {', '.join(names) or 'none'}"
