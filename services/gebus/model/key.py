"""The Kafka key of an event: readable text, and unambiguous."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

_EPOCH = date(1970, 1, 1)


def encode_key(values: Sequence[str | int | date]) -> bytes:
    r"""The values of the contract's key fields, in order, as UTF-8 text joined by `|`; a date is its day since 1970.

    A `\` or `|` inside a value is escaped by `\`, so two different lists of one contract never give the same key.
    """
    return "|".join(_text(value).replace("\\", "\\\\").replace("|", "\\|") for value in values).encode()


def _text(value: str | int | date) -> str:
    return str((value - _EPOCH).days if isinstance(value, date) else value)
